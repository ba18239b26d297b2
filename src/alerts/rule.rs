//! Custom rules: thresholds for the guests that a filter finds (contract state.md 6.3).

use super::limit::Thresholds;
use crate::config::fields::Fields;
use crate::model::Guest;
use serde::Serialize;
use serde_json::{Map, Value};

const RULES_MAX: usize = 1_000;
const FILTERS_MAX: usize = 100;
/// `=` on a metric means this close.
const EQUAL_WITHIN: f64 = 0.5;

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    pub id: String,
    pub name: String,
    pub filter_conditions: Conditions,
    pub thresholds: Thresholds,
    pub priority: i64,
    pub enabled: bool,
    /// Description, notifications, dates: kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Conditions {
    /// The filters as they came.
    pub filters: Option<Vec<Value>>,
    pub logical_operator: String,
    #[serde(skip)]
    parsed: Vec<Filter>,
}

/// One filter, ready to be asked.
#[derive(Debug, Clone, PartialEq)]
enum Filter {
    Metric {
        field: Field,
        operator: Operator,
        value: f64,
    },
    Name(String),
    Node(String),
    Vmid(String),
    Raw(String),
    /// A filter nobody understands finds nothing.
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Field {
    Cpu,
    Memory,
    Disk,
    DiskRead,
    DiskWrite,
    NetworkIn,
    NetworkOut,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Above,
    Below,
    AtLeast,
    AtMost,
    Equal,
}

/// Bytes a second of one MB/s.
pub const MEGABYTE: f64 = 1_048_576.0;

impl Rule {
    pub fn read_list(items: Vec<Value>, margin: f64) -> Result<Vec<Rule>, String> {
        if items.len() > RULES_MAX {
            return Err(format!("customRules: at most {RULES_MAX}"));
        }
        items.into_iter().map(|v| Rule::read(v, margin)).collect()
    }

    fn read(value: Value, margin: f64) -> Result<Rule, String> {
        let mut f = Fields::of(value, "customRules")?;
        let thresholds = f.take("thresholds").unwrap_or(Value::Null);
        Ok(Rule {
            id: f.text("id")?.unwrap_or_default(),
            name: f.text("name")?.unwrap_or_default(),
            filter_conditions: Conditions::read(f.take("filterConditions").unwrap_or(Value::Null))?,
            thresholds: Thresholds::read(thresholds, "customRules.thresholds", margin, true)?,
            priority: f.int("priority")?.unwrap_or(0),
            enabled: f.flag("enabled")?.unwrap_or(false),
            extra: f.rest(),
        })
    }

    /// Whether it counts for this guest now.
    pub fn matches(&self, guest: &Guest) -> bool {
        self.enabled && self.priority >= 0 && self.filter_conditions.match_guest(guest)
    }

    /// Whether its answer can change with the guest's figures.
    pub fn looks_at_figures(&self) -> bool {
        self.enabled
            && self.filter_conditions.parsed.iter().any(|f| matches!(f, Filter::Metric { .. } | Filter::Raw(_)))
    }
}

/// The rule of the highest priority that matches, the first of equals.
pub fn best<'a>(rules: &'a [Rule], guest: &Guest) -> Option<(usize, &'a Rule)> {
    let mut best: Option<(usize, &Rule)> = None;
    for (n, rule) in rules.iter().enumerate() {
        if best.is_none_or(|(_, b)| rule.priority > b.priority) && rule.matches(guest) {
            best = Some((n, rule));
        }
    }
    best
}

impl Conditions {
    fn read(value: Value) -> Result<Conditions, String> {
        let mut f = Fields::of(value, "customRules.filterConditions")?;
        let filters = f.list("filters")?;
        let logical_operator = f.text("logicalOperator")?.unwrap_or_default();
        if filters.as_ref().is_some_and(|list| list.len() > FILTERS_MAX) {
            return Err(format!("customRules.filterConditions.filters: at most {FILTERS_MAX}"));
        }
        let parsed = filters.iter().flatten().map(Filter::read).collect::<Result<_, _>>()?;
        Ok(Conditions { filters, logical_operator, parsed })
    }

    fn match_guest(&self, guest: &Guest) -> bool {
        if self.parsed.is_empty() {
            return true;
        }
        match self.logical_operator.as_str() {
            "AND" => self.parsed.iter().all(|f| f.finds(guest)),
            _ => self.parsed.iter().any(|f| f.finds(guest)),
        }
    }
}

impl Filter {
    fn read(value: &Value) -> Result<Filter, String> {
        let mut f = Fields::of(value.clone(), "customRules.filterConditions.filters")?;
        let what = f.text("type")?.unwrap_or_default();
        let field = f.text("field")?.unwrap_or_default().to_ascii_lowercase();
        let operator = f.text("operator")?.unwrap_or_default();
        let value = f.take("value");
        let text = || value.as_ref().and_then(Value::as_str).unwrap_or_default().to_lowercase();
        Ok(match (what.as_str(), field.as_str()) {
            ("metric", field) => {
                let number = value.as_ref().and_then(Value::as_f64);
                match (Field::parse(field), Operator::parse(&operator), number) {
                    (Some(field), Some(operator), Some(value)) => Filter::Metric { field, operator, value },
                    _ => Filter::Never,
                }
            }
            ("text", "name") => Filter::Name(text()),
            ("text", "node") => Filter::Node(text()),
            ("text", "vmid") => Filter::Vmid(text()),
            ("raw", _) => Filter::Raw(f.text("rawText")?.unwrap_or_default().to_lowercase()),
            _ => Filter::Never,
        })
    }

    fn finds(&self, guest: &Guest) -> bool {
        match self {
            Filter::Metric { field, operator, value } => operator.holds(field.of(guest), *value),
            Filter::Name(text) => contains(&guest.name, text),
            Filter::Node(text) => contains(&guest.node, text),
            Filter::Vmid(text) => contains(&guest.id, text),
            Filter::Raw(text) => [&guest.name, &guest.id, &guest.node, &guest.status].iter().any(|t| contains(t, text)),
            Filter::Never => false,
        }
    }
}

impl Field {
    fn parse(lowercase: &str) -> Option<Field> {
        Some(match lowercase {
            "cpu" => Field::Cpu,
            "memory" => Field::Memory,
            "disk" => Field::Disk,
            "diskread" => Field::DiskRead,
            "diskwrite" => Field::DiskWrite,
            "networkin" => Field::NetworkIn,
            "networkout" => Field::NetworkOut,
            _ => return None,
        })
    }
    fn of(self, g: &Guest) -> f64 {
        match self {
            Field::Cpu => g.cpu * 100.0,
            Field::Memory => g.memory.usage,
            Field::Disk => g.disk.usage,
            Field::DiskRead => g.disk_read as f64 / MEGABYTE,
            Field::DiskWrite => g.disk_write as f64 / MEGABYTE,
            Field::NetworkIn => g.network_in as f64 / MEGABYTE,
            Field::NetworkOut => g.network_out as f64 / MEGABYTE,
        }
    }
}

impl Operator {
    fn parse(text: &str) -> Option<Operator> {
        Some(match text {
            ">" => Operator::Above,
            "<" => Operator::Below,
            ">=" => Operator::AtLeast,
            "<=" => Operator::AtMost,
            "=" | "==" => Operator::Equal,
            _ => return None,
        })
    }
    fn holds(self, figure: f64, value: f64) -> bool {
        match self {
            Operator::Above => figure > value,
            Operator::Below => figure < value,
            Operator::AtLeast => figure >= value,
            Operator::AtMost => figure <= value,
            Operator::Equal => (figure - value).abs() <= EQUAL_WITHIN,
        }
    }
}

/// Case-insensitive; `needle` is in lower case already.
fn contains(text: &str, needle: &str) -> bool {
    needle.is_empty() || text.to_lowercase().contains(needle)
}
