//! From tokens to a tree. Everything that can be known without data is checked here: functions, variables, nesting.

use super::lex::{self, Kind, Token};
use super::{Failure, functions};
use crate::order::Map;

/// How deep actions and parentheses may nest.
const MOST_DEPTH: usize = 30;

#[derive(Debug, Clone)]
pub(super) struct Parsed {
    pub source: String,
    pub main: Vec<Node>,
    /// By name, from `define` and `block`.
    pub named: Map<String, Vec<Node>>,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    Text(String),
    /// Prints, or declares variables.
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template {
        at: usize,
        name: String,
        data: Option<Pipeline>,
    },
    Break,
    Continue,
}

#[derive(Debug, Clone)]
pub(super) struct Branch {
    pub pipeline: Pipeline,
    pub then: Vec<Node>,
    pub otherwise: Vec<Node>,
}

#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    pub at: usize,
    /// Names with their `$`.
    pub variables: Vec<String>,
    /// `=` instead of `:=`.
    pub assigns: bool,
    pub commands: Vec<Command>,
}

#[derive(Debug, Clone)]
pub(super) struct Command {
    pub at: usize,
    /// Never empty.
    pub operands: Vec<Operand>,
}

#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub at: usize,
    pub what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Dot,
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    /// `.A.B`
    Field(Vec<String>),
    /// `$x.A`
    Variable(String, Vec<String>),
    Function(String),
    /// `(pipeline).A`
    Nested(Box<Pipeline>, Vec<String>),
}

pub(super) fn parse(text: &str) -> Result<Parsed, Failure> {
    let mut parser = Parser {
        tokens: lex::tokens(text)?,
        next: 0,
        end: text.len(),
        variables: vec!["$".to_owned()],
        depth: 0,
        loops: 0,
        named: Map::new(),
    };
    let (main, stop) = parser.nodes()?;
    match stop {
        Stop::End => {}
        Stop::Word(word, at) => return Err(Failure::new(at, format!("unexpected {{{{{word}}}}}"))),
    }
    Ok(Parsed { source: text.to_owned(), main, named: parser.named })
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    end: usize,
    /// Variables in scope.
    variables: Vec<String>,
    depth: usize,
    /// Loops around the present place.
    loops: usize,
    named: Map<String, Vec<Node>>,
}

/// What ended a list of nodes.
enum Stop {
    End,
    /// `else` or `end`; of `else` the action is still open.
    Word(&'static str, usize),
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }
    fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token
    }
    fn here(&self) -> usize {
        self.peek().map_or(self.end, |t| t.at)
    }
    fn takes(&mut self, kind: &Kind) -> bool {
        let found = self.peek().is_some_and(|t| t.kind == *kind);
        if found {
            self.next += 1;
        }
        found
    }
    fn expect_close(&mut self, what: &str) -> Result<(), Failure> {
        let at = self.here();
        if self.takes(&Kind::Close) { Ok(()) } else { Err(Failure::new(at, format!("unexpected token in {what}"))) }
    }
    fn deeper<T>(&mut self, work: impl FnOnce(&mut Parser) -> Result<T, Failure>) -> Result<T, Failure> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(Failure::new(self.here(), format!("nested deeper than {MOST_DEPTH}")));
        }
        let out = work(self);
        self.depth -= 1;
        out
    }

    /// Nodes until `else`, `end` or the end of the text.
    fn nodes(&mut self) -> Result<(Vec<Node>, Stop), Failure> {
        let mut out = Vec::new();
        while let Some(token) = self.take() {
            match token.kind {
                Kind::Text(text) => out.push(Node::Text(text)),
                Kind::Open => {
                    let at = self.here();
                    let word = match self.peek().map(|t| &t.kind) {
                        Some(Kind::Word(word)) => word.clone(),
                        _ => String::new(),
                    };
                    match word.as_str() {
                        "end" => {
                            self.next += 1;
                            self.expect_close("end")?;
                            return Ok((out, Stop::Word("end", at)));
                        }
                        "else" => {
                            self.next += 1;
                            return Ok((out, Stop::Word("else", at)));
                        }
                        _ => out.extend(self.deeper(|p| p.action(&word, at))?),
                    }
                }
                _ => return Err(Failure::new(token.at, "unexpected token")),
            }
        }
        Ok((out, Stop::End))
    }

    fn action(&mut self, word: &str, at: usize) -> Result<Option<Node>, Failure> {
        match word {
            "if" => self.control(at, "if").map(|b| Some(Node::If(b))),
            "with" => self.control(at, "with").map(|b| Some(Node::With(b))),
            "range" => self.control(at, "range").map(|b| Some(Node::Range(b))),
            "template" => {
                self.next += 1;
                let name = self.name("template")?;
                let data = if self.takes(&Kind::Close) { None } else { Some(self.pipeline(&Kind::Close, "template")?) };
                Ok(Some(Node::Template { at, name, data }))
            }
            "define" => self.define(at).map(|()| None),
            "block" => self.block(at).map(Some),
            "break" | "continue" => {
                self.next += 1;
                self.expect_close(word)?;
                if self.loops == 0 {
                    return Err(Failure::new(at, format!("{{{{{word}}}}} outside {{{{range}}}}")));
                }
                Ok(Some(if word == "break" { Node::Break } else { Node::Continue }))
            }
            _ => self.pipeline(&Kind::Close, "command").map(|p| Some(Node::Action(p))),
        }
    }

    fn name(&mut self, what: &str) -> Result<String, Failure> {
        let at = self.here();
        match self.take().map(|t| t.kind) {
            Some(Kind::Str(name)) => Ok(name),
            _ => Err(Failure::new(at, format!("{what} needs a name in quotes"))),
        }
    }

    /// `if`, `with`, `range` with all their `else`.
    fn control(&mut self, at: usize, word: &str) -> Result<Branch, Failure> {
        self.next += 1;
        let scope = self.variables.len();
        let pipeline = self.pipeline(&Kind::Close, word)?;
        let is_range = word == "range";
        self.loops += usize::from(is_range);
        let (then, stop) = self.nodes()?;
        self.loops -= usize::from(is_range);
        let otherwise = match stop {
            Stop::End => return Err(Failure::new(at, format!("{{{{{word}}}}} has no {{{{end}}}}"))),
            Stop::Word("end", _) => Vec::new(),
            Stop::Word(_, else_at) => self.otherwise(word, else_at)?,
        };
        self.variables.truncate(scope);
        Ok(Branch { pipeline, then, otherwise })
    }

    /// After `else`: another `if` or `with` that shares the `end`, or nodes up to it.
    fn otherwise(&mut self, word: &str, at: usize) -> Result<Vec<Node>, Failure> {
        let next = match self.peek().map(|t| &t.kind) {
            Some(Kind::Word(next)) => next.clone(),
            _ => String::new(),
        };
        if next == word && word != "range" {
            let branch = self.deeper(|p| p.control(at, word))?;
            return Ok(vec![if word == "if" { Node::If(branch) } else { Node::With(branch) }]);
        }
        self.expect_close("else")?;
        match self.nodes()? {
            (nodes, Stop::Word("end", _)) => Ok(nodes),
            (_, Stop::Word(_, at)) => Err(Failure::new(at, "expected end; found {{else}}")),
            (_, Stop::End) => Err(Failure::new(at, "{{else}} has no {{end}}")),
        }
    }

    /// The body of `define` or `block`, which sees no variables from outside.
    fn body(&mut self, at: usize, word: &str) -> Result<Vec<Node>, Failure> {
        let outside = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let loops = std::mem::take(&mut self.loops);
        let (nodes, stop) = self.nodes()?;
        self.variables = outside;
        self.loops = loops;
        match stop {
            Stop::Word("end", _) => Ok(nodes),
            Stop::Word(_, at) => Err(Failure::new(at, format!("unexpected {{{{else}}}} in {word}"))),
            Stop::End => Err(Failure::new(at, format!("{{{{{word}}}}} has no {{{{end}}}}"))),
        }
    }

    fn define(&mut self, at: usize) -> Result<(), Failure> {
        if self.depth > 1 {
            return Err(Failure::new(at, "unexpected {{define}}"));
        }
        self.next += 1;
        let name = self.name("define")?;
        self.expect_close("define")?;
        let body = self.body(at, "define")?;
        self.named.insert(name, body);
        Ok(())
    }

    fn block(&mut self, at: usize) -> Result<Node, Failure> {
        self.next += 1;
        let name = self.name("block")?;
        let data = self.pipeline(&Kind::Close, "block")?;
        let body = self.body(at, "block")?;
        self.named.insert(name.clone(), body);
        Ok(Node::Template { at, name, data: Some(data) })
    }

    /// `$a, $b := command | command`, up to and with `end`.
    fn pipeline(&mut self, end: &Kind, what: &str) -> Result<Pipeline, Failure> {
        let at = self.here();
        let (variables, assigns) = self.declaration(what)?;
        let mut commands = Vec::new();
        loop {
            let start = self.here();
            let operands = self.operands()?;
            let piped_into_value = !commands.is_empty() && operands.first().is_some_and(|o| is_value(&o.what));
            if operands.is_empty() {
                let missing =
                    if commands.is_empty() { format!("missing value for {what}") } else { "empty command".to_owned() };
                return Err(Failure::new(start, missing));
            }
            if piped_into_value {
                return Err(Failure::new(start, "a value cannot take what is piped into it"));
            }
            commands.push(Command { at: start, operands });
            if self.takes(&Kind::Pipe) {
                continue;
            }
            if self.takes(end) {
                break;
            }
            return Err(Failure::new(self.here(), format!("unexpected token in {what}")));
        }
        if !assigns {
            self.variables.extend(variables.iter().cloned());
        }
        Ok(Pipeline { at, variables, assigns, commands })
    }

    fn declaration(&mut self, what: &str) -> Result<(Vec<String>, bool), Failure> {
        let variable = |t: Option<&Token>| match t.map(|t| &t.kind) {
            Some(Kind::Variable(name)) => Some(name.clone()),
            _ => None,
        };
        let kind = |t: Option<&Token>| t.map(|t| t.kind.clone());
        let Some(first) = variable(self.tokens.get(self.next)) else { return Ok((Vec::new(), false)) };
        let at = self.here();
        let (names, ahead) = match kind(self.tokens.get(self.next + 1)) {
            Some(Kind::Comma) if what == "range" => {
                let second = variable(self.tokens.get(self.next + 2))
                    .ok_or_else(|| Failure::new(at, "range can only initialize variables"))?;
                (vec![first, second], 3)
            }
            Some(Kind::Comma) => return Err(Failure::new(at, format!("too many declarations in {what}"))),
            _ => (vec![first], 1),
        };
        let assigns = match kind(self.tokens.get(self.next + ahead)) {
            Some(Kind::Declare) => false,
            Some(Kind::Assign) => true,
            _ if names.len() == 2 => return Err(Failure::new(at, "range needs := or =")),
            _ => return Ok((Vec::new(), false)),
        };
        if assigns && let Some(unknown) = names.iter().find(|n| !self.variables.contains(n)) {
            return Err(Failure::new(at, format!("undefined variable {unknown:?}")));
        }
        self.next += ahead + 1;
        Ok((names, assigns))
    }

    /// Operands up to a pipe or an end.
    fn operands(&mut self) -> Result<Vec<Operand>, Failure> {
        let mut out = Vec::new();
        while let Some(operand) = self.operand()? {
            out.push(operand);
            let touching = self
                .peek()
                .is_some_and(|t| !t.spaced && !matches!(t.kind, Kind::Pipe | Kind::Close | Kind::RightParen));
            if touching {
                return Err(Failure::new(self.here(), "unexpected token after an operand"));
            }
        }
        Ok(out)
    }

    fn operand(&mut self) -> Result<Option<Operand>, Failure> {
        let Some(token) = self.peek().cloned() else {
            return Err(Failure::new(self.end, "unclosed action"));
        };
        let at = token.at;
        let what = match token.kind {
            Kind::Dot => What::Dot,
            Kind::Field(name) => What::Field(vec![name]),
            Kind::Variable(name) => {
                if !self.variables.contains(&name) {
                    return Err(Failure::new(at, format!("undefined variable {name:?}")));
                }
                What::Variable(name, Vec::new())
            }
            Kind::Str(text) => What::Str(text),
            Kind::Int(n) => What::Int(n),
            Kind::Float(n) => What::Float(n),
            Kind::Word(word) => match word.as_str() {
                "true" => What::Bool(true),
                "false" => What::Bool(false),
                "nil" => What::Nil,
                name if functions::exists(name) => What::Function(word),
                _ => return Err(Failure::new(at, format!("function {word:?} is not defined"))),
            },
            Kind::LeftParen => {
                self.next += 1;
                let inner = self.deeper(|p| p.pipeline(&Kind::RightParen, "parenthesized pipeline"))?;
                let mut fields = Vec::new();
                self.fields(&mut fields);
                return Ok(Some(Operand { at, what: What::Nested(Box::new(inner), fields) }));
            }
            _ => return Ok(None),
        };
        self.next += 1;
        let what = match what {
            What::Dot if self.peek().is_some_and(|t| !t.spaced && matches!(t.kind, Kind::Field(_))) => {
                return Err(Failure::new(at, "unexpected . before a field"));
            }
            What::Field(mut fields) => {
                self.fields(&mut fields);
                What::Field(fields)
            }
            What::Variable(name, mut fields) => {
                self.fields(&mut fields);
                What::Variable(name, fields)
            }
            other => other,
        };
        Ok(Some(Operand { at, what }))
    }

    /// `.A.B` that follow without a blank.
    fn fields(&mut self, out: &mut Vec<String>) {
        while let Some(Token { kind: Kind::Field(name), spaced: false, .. }) = self.peek() {
            out.push(name.clone());
            self.next += 1;
        }
    }
}

/// Constants and the dot take no arguments, also none from a pipe.
fn is_value(what: &What) -> bool {
    matches!(what, What::Dot | What::Nil | What::Bool(_) | What::Int(_) | What::Float(_) | What::Str(_))
}
