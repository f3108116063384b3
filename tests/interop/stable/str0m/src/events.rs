//! Events on the standard output, one per line as JSON.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970.
pub fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock behind 1970").as_micros() as u64
}

/// Print an event; the values are JSON already.
pub fn say(event: &str, fields: &[(&str, String)]) {
    let mut line = format!("{{\"event\":{},\"at_us\":{}", text(event), now_us());
    for (name, value) in fields {
        line.push_str(&format!(",{}:{value}", text(name)));
    }
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}}}").and_then(|()| out.flush());
}

/// A string as JSON.
pub fn text(value: &str) -> String {
    let mut quoted = String::from("\"");
    for character in value.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if (control as u32) < 0x20 => quoted.push_str(&format!("\\u{:04x}", control as u32)),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
