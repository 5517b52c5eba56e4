//! What Jinja has built in and minijinja has not, or spells another way.

use std::fmt::Write;

use minijinja::value::{ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, Output, State, Value};

use crate::python_json;

/// More columns than any that a template lays out; keeps `center` from being a way to fill the memory.
const CENTER_WIDTH_MAX: usize = 100_000;

/// What `{{ value }}` writes: Python spells a float as JSON does, and the infinite ones in its own way.
pub fn write_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if value.kind() != ValueKind::Number || value.is_integer() {
        return minijinja::escape_formatter(out, state, value);
    }
    let number = f64::try_from(value.clone())?;
    let text = if number.is_nan() {
        "nan".to_string()
    } else if number.is_infinite() {
        if number > 0.0 { "inf" } else { "-inf" }.to_string()
    } else {
        python_json::float_text(number)
    };
    out.write_str(&text).map_err(Error::from)
}

/// str.center: the odd space goes to the left where the width is odd too.
pub fn center(state: &State, value: &Value, width: Option<usize>) -> Result<String, Error> {
    let width = width.unwrap_or(80);
    if width > CENTER_WIDTH_MAX {
        return Err(Error::new(ErrorKind::InvalidOperation, "center: too wide"));
    }
    let text = value.to_string();
    state.consume_fuel(((text.len() + width) / 64) as u64)?;
    let padding = width.saturating_sub(text.chars().count());
    let left = padding / 2 + (padding & width & 1);
    Ok(format!("{}{text}{}", " ".repeat(left), " ".repeat(padding - left)))
}

/// Runs of letters, digits and underscores.
pub fn wordcount(state: &State, value: &Value) -> Result<usize, Error> {
    let text = value.to_string();
    state.consume_fuel((text.len() / 64) as u64)?;
    Ok(text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).count())
}

/// A text as a part of a URL's path; pairs, or a map, as its query.
pub fn urlencode(state: &State, value: &Value) -> Result<String, Error> {
    if matches!(value.kind(), ValueKind::Map | ValueKind::Seq | ValueKind::Iterable) {
        let mut query = String::new();
        for entry in value.try_iter()? {
            let (key, item) = match value.kind() {
                ValueKind::Map => (entry.clone(), value.get_item(&entry)?),
                _ => (entry.get_item_by_index(0)?, entry.get_item_by_index(1)?),
            };
            if !query.is_empty() {
                query.push('&');
            }
            quote(state, &key, true, &mut query)?;
            query.push('=');
            quote(state, &item, true, &mut query)?;
        }
        return Ok(query);
    }
    let mut path = String::new();
    quote(state, value, false, &mut path)?;
    Ok(path)
}

fn quote(state: &State, value: &Value, is_query: bool, out: &mut String) -> Result<(), Error> {
    let text = value.to_string();
    state.consume_fuel(1 + (text.len() / 16) as u64)?;
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => out.push(byte as char),
            b'/' if !is_query => out.push('/'),
            b' ' if is_query => out.push('+'),
            _ => write!(out, "%{byte:02X}")?,
        }
    }
    Ok(())
}

/// Functions, and what is undefined: Jinja's undefined values can be called, to say that they are not there.
pub fn is_callable(value: &Value) -> bool {
    value.is_undefined() || value.as_object().is_some_and(|object| object.repr() == ObjectRepr::Plain)
}
