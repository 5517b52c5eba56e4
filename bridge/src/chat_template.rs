//! Chat templates as Hugging Face's `apply_chat_template` runs them, on minijinja, under limits.

use std::ffi::CString;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{from_args, Rest, ValueKind, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value};

use crate::nesting_guard::NestingGuard;
use crate::{bounded_thread, jinja_builtins, python_json, Failure};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Limits {
    fuel: u64,
    output_bytes_max: usize,
    memory_bytes_max: usize,
    render_ms_max: u32,
}

impl Limits {
    fn wait(&self) -> Duration {
        Duration::from_millis(self.render_ms_max.into())
    }
}

pub struct ChatTemplate {
    environment: Environment<'static>,
    limits: Limits,
    /// What its renderings left behind and nobody can free: namespaces that hold themselves.
    lost_bytes: AtomicUsize,
}

/// The name of the one template in its environment; shows in no message.
const NAME: &str = "chat_template";
/// Where strftime_now finds the time: no template can name a variable so.
const NOW: &str = "now unix seconds";
/// What the stack of a bounded_thread is made for.
const FUEL_MAX: u64 = 2_700_000;
/// Each byte of a source may nest one deeper ("-" before "-"): 4 KiB of stack for each. The largest templates in use have
/// some 30 KB.
const SOURCE_BYTES_MAX: usize = 256 << 10;
/// A format may widen its values to so many characters in all.
const FORMAT_WIDTHS_MAX: u64 = 1_000_000;

impl ChatTemplate {
    pub fn parse(source: &str, limits: Limits) -> Result<Self, Failure> {
        if source.len() > SOURCE_BYTES_MAX {
            return Err(Failure::invalid(format!("it has {} bytes, more than {SOURCE_BYTES_MAX}", source.len())));
        }
        let source = source.to_string();
        // Compiling takes quadratic time where a source adds thousands of constants.
        bounded_thread::run(limits.wait(), move || Self::parse_here(&source, limits), |_, _| ())
    }

    fn parse_here(source: &str, limits: Limits) -> Result<Self, Failure> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(Failure::invalid)?;
        environment.set_syntax(syntax);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_fuel(Some(limits.fuel.min(FUEL_MAX)));
        environment.set_unknown_method_callback(call_method);
        environment.add_test("iterable", is_iterable);
        environment.add_test("sequence", is_sequence);
        environment.add_test("callable", jinja_builtins::is_callable);
        environment.set_formatter(jinja_builtins::write_value);
        environment.add_filter("tojson", python_json::tojson);
        environment.add_filter("center", jinja_builtins::center);
        environment.add_filter("wordcount", jinja_builtins::wordcount);
        environment.add_filter("urlencode", jinja_builtins::urlencode);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        let plain_namespace = Value::from_function(minijinja::functions::namespace);
        environment.add_function("namespace", move |state: &mut State, arguments: Rest<ValueOrKwargs>| {
            guarded_namespace(state, &plain_namespace, &arguments.into_values())
        });
        // The engine fills a table of small numbers when it first writes one. A thread that stopped half-way through
        // would make all others wait for it.
        environment.render_str("{{ 1 }}", ()).map_err(failure)?;
        bounded_thread::allow_memory(limits.memory_bytes_max);
        environment.add_template_owned(NAME, source.to_string()).map_err(failure)?;
        Ok(ChatTemplate { environment, limits, lost_bytes: AtomicUsize::new(0) })
    }

    pub fn render(self: &Arc<Self>, variables_json: &str, now_unix_s: i64) -> Result<String, Failure> {
        if self.lost_bytes.load(Ordering::Relaxed) > self.limits.memory_bytes_max {
            return Err(Failure::exhausted("its renderings leave values behind that hold themselves"));
        }
        let (this, settling) = (Arc::clone(self), Arc::clone(self));
        let variables_json = variables_json.to_string();
        let settle = move |result: &Result<String, Failure>, held_bytes: isize| {
            let result_bytes = result.as_ref().map_or_else(|failure| failure.message.capacity(), String::capacity);
            let lost_bytes = held_bytes.saturating_sub_unsigned(result_bytes);
            settling.lost_bytes.fetch_add(usize::try_from(lost_bytes).unwrap_or(0), Ordering::Relaxed);
        };
        bounded_thread::run(self.limits.wait(), move || this.render_here(&variables_json, now_unix_s), settle)
    }

    fn render_here(&self, variables_json: &str, now_unix_s: i64) -> Result<String, Failure> {
        let variables = serde_json::from_str(variables_json).map_err(Failure::invalid)?;
        let serde_json::Value::Object(variables) = variables else {
            return Err(Failure::invalid("the template's variables are no JSON object"));
        };
        let mut context = to_map(variables);
        context.insert(Value::from(NOW), Value::from(now_unix_s));
        bounded_thread::allow_memory(self.limits.memory_bytes_max);
        let template = self.environment.get_template(NAME).map_err(failure)?;
        let text = template.render(Value::from_object(context)).map_err(failure)?;
        if text.len() > self.limits.output_bytes_max {
            return Err(Failure::exhausted(format!("wrote more than {} bytes", self.limits.output_bytes_max)));
        }
        Ok(text)
    }
}

/// A namespace is the only value that can be put into itself. Its first entry watches what walks it.
fn guarded_namespace(state: &mut State, plain_namespace: &Value, arguments: &[Value]) -> Result<Value, Error> {
    let plain = plain_namespace.call(state, arguments)?;
    let mut entries: IndexMap<Value, Value> = IndexMap::new();
    entries.insert(Value::from(""), Value::from_object(NestingGuard));
    for key in plain.try_iter()? {
        let value = plain.get_item(&key)?;
        entries.insert(key, value);
    }
    plain_namespace.call(state, &[Value::from_object(entries)])
}

/// Python's methods; `format` does not say how much it will write before it has done so.
fn call_method(state: &mut State, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    if let (Some(format), "format") = (value.as_str(), method) {
        let numbers = format.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
        let widths = numbers.fold(0u64, |sum, digits| sum.saturating_add(digits.parse().unwrap_or(u64::MAX)));
        if widths > FORMAT_WIDTHS_MAX {
            return Err(Error::new(ErrorKind::InvalidOperation, "format: too wide"));
        }
    }
    if let (Some(text), "rsplit" | "partition" | "rpartition") = (value.as_str(), method) {
        state.consume_fuel((text.len() / 64) as u64)?;
        return split_from(text, method, arguments);
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, arguments)
}

/// Python's str.rsplit(sep, maxsplit), str.partition(sep) and str.rpartition(sep), which pycompat lacks.
fn split_from(text: &str, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    let refuse = |why: &str| Error::new(ErrorKind::InvalidOperation, format!("{method}: {why}"));
    if method != "rsplit" {
        let (separator,): (&str,) = from_args(arguments)?;
        if separator.is_empty() {
            return Err(refuse("empty separator"));
        }
        let found = if method == "partition" { text.split_once(separator) } else { text.rsplit_once(separator) };
        let parts = match (found, method) {
            (Some((before, after)), _) => [before, separator, after],
            (None, "partition") => [text, "", ""],
            (None, _) => ["", "", text],
        };
        return Ok(Value::from_iter(parts.map(String::from)));
    }
    let (separator, count_max): (Option<&str>, Option<i64>) = from_args(arguments)?;
    let count_max = usize::try_from(count_max.unwrap_or(-1)).unwrap_or(usize::MAX - 1);
    let mut parts: Vec<&str> = match separator {
        Some("") => return Err(refuse("empty separator")),
        Some(separator) => text.rsplitn(count_max + 1, separator).collect(),
        None => {
            let mut rest = text.trim_end();
            let mut parts = vec![];
            while !rest.is_empty() && parts.len() < count_max {
                let begin = rest
                    .rfind(char::is_whitespace)
                    .map_or(0, |at| at + rest[at..].chars().next().map_or(1, char::len_utf8));
                parts.push(&rest[begin..]);
                rest = rest[..begin].trim_end();
            }
            if !rest.is_empty() {
                parts.push(rest);
            }
            parts
        }
    };
    parts.reverse();
    Ok(Value::from_iter(parts.into_iter().map(String::from)))
}

fn to_value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(value) => Value::from(value),
        serde_json::Value::String(value) => Value::from(value),
        serde_json::Value::Array(items) => Value::from_iter(items.into_iter().map(to_value)),
        serde_json::Value::Object(items) => Value::from_object(to_map(items)),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::from(value),
            (_, Some(value)) => Value::from(value),
            _ => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
    }
}

/// In Python None cannot be iterated over; here it can, and `tools is iterable and tools|length > 0` fails.
fn is_iterable(value: &Value) -> bool {
    !value.is_none() && (value.as_str().is_some() || value.try_iter().is_ok())
}

/// What has a length and items by index or key, in Python: strings and maps too.
fn is_sequence(value: &Value) -> bool {
    value.as_str().is_some() || matches!(value.kind(), ValueKind::Seq | ValueKind::Map)
}

fn to_map(items: serde_json::Map<String, serde_json::Value>) -> IndexMap<Value, Value> {
    items.into_iter().map(|(key, item)| (Value::from(key), to_value(item))).collect()
}

/// Marks the error of a template that refuses its messages, so that its own words come back and nothing else.
#[derive(Debug)]
struct Raised;

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("raise_exception")
    }
}

impl std::error::Error for Raised {}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message).with_source(Raised))
}

/// Python's datetime.now().strftime(format).
fn strftime_now(state: &State, format: String) -> Result<String, Error> {
    let refuse = |why: &str| Error::new(ErrorKind::InvalidOperation, format!("strftime_now: {why}"));
    let seconds = state.lookup(NOW).and_then(|now| i64::try_from(now).ok()).ok_or_else(|| refuse("no clock"))?;
    let format = CString::new(format).map_err(|_| refuse("a zero character in the format"))?;
    let mut buffer = [0u8; 1024];
    // Safety: the pointers are to locals that outlive the calls, and `buffer` is as long as it is said to be.
    let length = unsafe {
        let mut local: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&(seconds as libc::time_t), &mut local).is_null() {
            return Err(refuse("the time is out of range"));
        }
        libc::strftime(buffer.as_mut_ptr().cast(), buffer.len(), format.as_ptr(), &local)
    };
    Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

fn failure(error: Error) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(this) = cause {
        let known = this.downcast_ref::<Error>();
        if known.is_some_and(|known| known.kind() == ErrorKind::OutOfFuel) {
            return Failure::exhausted("it does more work than it may (an endless loop, or very large values?)");
        }
        let source = this.source();
        if source.is_some_and(|source| source.is::<Raised>()) {
            return Failure::invalid(known.and_then(|known| known.detail()).unwrap_or_default());
        }
        cause = source;
    }
    Failure::invalid(describe(&error))
}

/// "line 3: undefined value: 'dict object' has no attribute 'x'", without the engine's own name of the template.
fn describe(error: &Error) -> String {
    let place = error.line().map(|line| format!("line {line}: ")).unwrap_or_default();
    let what = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let cause = std::error::Error::source(error).map(|cause| format!(" ({cause})")).unwrap_or_default();
    format!("{place}{what}{cause}")
}
