//! Renders a tree with data, within bounds of depth and steps.

use super::insert::Output;
use super::parse::{Branch, Command, Node, Operand, Parsed, Pipeline, What};
use super::value::{Text, Value};
use super::{Failure, Target, functions};

/// Nodes and expressions evaluated at most.
const MOST_STEPS: usize = 100_000;
/// Lists within lists, calls of templates and parentheses, all together.
const MOST_DEPTH: usize = 50;

pub(super) fn run(parsed: &Parsed, data: &Value, target: Target) -> Result<String, Failure> {
    let mut run =
        Run { parsed, out: Output::new(target), variables: vec![("$".to_owned(), data.clone())], steps: 0, depth: 0 };
    run.nodes(&parsed.main, data)?;
    Ok(run.out.text)
}

struct Run<'a> {
    parsed: &'a Parsed,
    out: Output,
    variables: Vec<(String, Value)>,
    steps: usize,
    depth: usize,
}

/// How a list of nodes ended.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

impl<'a> Run<'a> {
    fn step(&mut self, at: usize) -> Result<(), Failure> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Err(Failure::new(at, "the template takes too many steps"));
        }
        Ok(())
    }

    fn deeper<T>(&mut self, at: usize, work: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        if self.depth >= MOST_DEPTH {
            return Err(Failure::new(at, "exceeded the maximum depth of templates"));
        }
        self.depth += 1;
        let out = work(self);
        self.depth -= 1;
        out
    }

    /// Variables declared inside are gone afterwards.
    fn nodes(&mut self, nodes: &'a [Node], dot: &Value) -> Result<Flow, Failure> {
        let scope = self.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            flow = self.node(node, dot)?;
            if flow != Flow::On {
                break;
            }
        }
        self.variables.truncate(scope);
        Ok(flow)
    }

    fn node(&mut self, node: &'a Node, dot: &Value) -> Result<Flow, Failure> {
        self.step(0)?;
        match node {
            Node::Text(text) => self.out.literal(text).map_err(|e| Failure::new(0, e))?,
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    let text = match value {
                        Value::Nil => Text::author("<no value>"),
                        other => other.printed(),
                    };
                    self.out.value(&text).map_err(|e| Failure::new(pipeline.at, e))?;
                }
            }
            Node::If(branch) => return self.branch(branch, dot, false),
            Node::With(branch) => return self.branch(branch, dot, true),
            Node::Range(branch) => return self.range(branch, dot),
            Node::Template { at, name, data } => self.template(*at, name, data.as_ref(), dot)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn branch(&mut self, branch: &'a Branch, dot: &Value, sets_dot: bool) -> Result<Flow, Failure> {
        let scope = self.variables.len();
        let value = self.pipeline(&branch.pipeline, dot)?;
        let flow = self.deeper(branch.pipeline.at, |run| match value.truth() {
            true => run.nodes(&branch.then, if sets_dot { &value } else { dot }),
            false => run.nodes(&branch.otherwise, dot),
        });
        self.variables.truncate(scope);
        flow
    }

    fn range(&mut self, branch: &'a Branch, dot: &Value) -> Result<Flow, Failure> {
        let scope = self.variables.len();
        let at = branch.pipeline.at;
        let value = self.commands(&branch.pipeline, dot)?;
        let items: Vec<(Value, Value)> = match &value {
            Value::Nil => Vec::new(),
            Value::List(items) => {
                items.iter().enumerate().map(|(n, v)| (Value::Int(i64::try_from(n).unwrap_or(0)), v.clone())).collect()
            }
            Value::Map(map) => map.iter().map(|(k, v)| (Value::text(k), v.clone())).collect(),
            Value::Int(n) if usize::try_from(*n).is_ok_and(|n| n > MOST_STEPS) => {
                return Err(Failure::new(at, "the template takes too many steps"));
            }
            Value::Int(n) => (0..*n).map(|n| (Value::Int(n), Value::Int(n))).collect(),
            other => return Err(Failure::new(at, format!("range can't iterate over a {}", other.type_name()))),
        };
        if items.is_empty() {
            let flow = self.deeper(at, |run| run.nodes(&branch.otherwise, dot));
            self.variables.truncate(scope);
            return flow;
        }
        let names = &branch.pipeline.variables;
        for (key, item) in items {
            self.step(at)?;
            let inner = self.variables.len();
            match names.as_slice() {
                [one] => self.set(one, item.clone(), branch.pipeline.assigns),
                [first, second] => {
                    self.set(first, key, branch.pipeline.assigns);
                    self.set(second, item.clone(), branch.pipeline.assigns);
                }
                _ => {}
            }
            let flow = self.deeper(at, |run| run.nodes(&branch.then, &item))?;
            self.variables.truncate(inner);
            if flow == Flow::Break {
                break;
            }
        }
        self.variables.truncate(scope);
        Ok(Flow::On)
    }

    fn template(&mut self, at: usize, name: &str, data: Option<&'a Pipeline>, dot: &Value) -> Result<(), Failure> {
        let data = data.map_or(Ok(Value::Nil), |p| self.pipeline(p, dot))?;
        let parsed = self.parsed;
        let body = parsed.named.get(name).ok_or_else(|| Failure::new(at, format!("template {name:?} not defined")))?;
        let outside = std::mem::replace(&mut self.variables, vec![("$".to_owned(), data.clone())]);
        let done = self.deeper(at, |run| run.nodes(body, &data));
        self.variables = outside;
        done.map(|_| ())
    }

    fn set(&mut self, name: &str, value: Value, assigns: bool) {
        if assigns && let Some((_, known)) = self.variables.iter_mut().rev().find(|(n, _)| n == name) {
            *known = value;
            return;
        }
        self.variables.push((name.to_owned(), value));
    }

    /// The value, after its variables are declared or set.
    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, Failure> {
        let value = self.commands(pipeline, dot)?;
        for name in &pipeline.variables {
            self.set(name, value.clone(), pipeline.assigns);
        }
        Ok(value)
    }

    fn commands(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, Failure> {
        let mut piped: Option<Value> = None;
        for command in &pipeline.commands {
            piped = Some(self.command(command, dot, piped)?);
        }
        Ok(piped.unwrap_or(Value::Nil))
    }

    fn command(&mut self, command: &Command, dot: &Value, piped: Option<Value>) -> Result<Value, Failure> {
        self.step(command.at)?;
        let Some((first, rest)) = command.operands.split_first() else { return Ok(Value::Nil) };
        if let What::Function(name) = &first.what {
            return self.function(first.at, name, rest, dot, piped);
        }
        if !rest.is_empty() || piped.is_some() {
            return Err(Failure::new(first.at, "can't give argument to a value that is not a function"));
        }
        self.operand(first, dot)
    }

    fn function(
        &mut self,
        at: usize,
        name: &str,
        operands: &[Operand],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, Failure> {
        if matches!(name, "and" | "or") {
            return self.and_or(at, name == "and", operands, dot, piped);
        }
        let mut args = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            args.push(self.argument(operand, dot)?);
        }
        args.extend(piped);
        functions::call(name, &args).map_err(|e| Failure::new(at, e))
    }

    /// Evaluates no more than it takes to know.
    fn and_or(
        &mut self,
        at: usize,
        is_and: bool,
        operands: &[Operand],
        dot: &Value,
        piped: Option<Value>,
    ) -> Result<Value, Failure> {
        let mut last = None;
        for operand in operands {
            let value = self.argument(operand, dot)?;
            if value.truth() != is_and {
                return Ok(value);
            }
            last = Some(value);
        }
        let word = if is_and { "and" } else { "or" };
        piped.or(last).ok_or_else(|| Failure::new(at, format!("too few arguments for {word}")))
    }

    /// An operand as an argument, where also nil may stand.
    fn argument(&mut self, operand: &Operand, dot: &Value) -> Result<Value, Failure> {
        match &operand.what {
            What::Nil => Ok(Value::Nil),
            _ => self.operand(operand, dot),
        }
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, Failure> {
        let at = operand.at;
        self.step(at)?;
        match &operand.what {
            What::Dot => Ok(dot.clone()),
            What::Nil => Err(Failure::new(at, "nil is not a command")),
            What::Bool(b) => Ok(Value::Bool(*b)),
            What::Int(n) => Ok(Value::Int(*n)),
            What::Float(f) => Ok(Value::Float(*f)),
            What::Str(text) => Ok(Value::author(text)),
            What::Field(names) => fields(at, dot, names),
            What::Variable(name, names) => {
                let value = self.variables.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
                fields(at, &value.ok_or_else(|| Failure::new(at, format!("undefined variable: {name}")))?, names)
            }
            What::Function(name) => functions::call(name, &[]).map_err(|e| Failure::new(at, e)),
            What::Nested(pipeline, names) => {
                let scope = self.variables.len();
                let value = self.deeper(at, |run| run.pipeline(pipeline, dot));
                self.variables.truncate(scope);
                fields(at, &value?, names)
            }
        }
    }
}

fn fields(at: usize, value: &Value, names: &[String]) -> Result<Value, Failure> {
    let mut value = value.clone();
    for name in names {
        value = match &value {
            Value::Record(fields) => fields
                .get(name)
                .cloned()
                .ok_or_else(|| Failure::new(at, format!("can't evaluate field {name}: the data has no such field")))?,
            Value::Map(map) => map.get(name).cloned().unwrap_or(Value::Nil),
            Value::Nil => return Err(Failure::new(at, format!("nil data; no entry for key {name:?}"))),
            other => {
                return Err(Failure::new(at, format!("can't evaluate field {name} in type {}", other.type_name())));
            }
        };
    }
    Ok(value)
}
