//! Whether untrusted input costs no more than in proportion to its length.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot go on has nothing to report"
)]

mod channel;
mod fields;
mod files;
mod key;
mod query;
mod session;
mod token;

fn main() -> std::process::ExitCode {
    let mut shapes = Vec::new();
    shapes.extend(query::shapes());
    shapes.extend(fields::shapes());
    shapes.extend(token::shapes());
    shapes.extend(key::shapes());
    shapes.extend(session::shapes());
    shapes.extend(channel::shapes());
    shapes.extend(files::shapes());
    bench_suite::growth(shapes)
}

/// A text of this many bytes: a beginning, a repeated part, and an end.
fn filled(beginning: &str, repeated: &str, end: &str, size: usize) -> String {
    let room = size.saturating_sub(beginning.len() + end.len());
    let repeated = repeated.repeat(room / repeated.len());
    format!("{beginning}{repeated}{end}")
}

/// The same with a number in each element.
fn numbered(beginning: &str, element: impl Fn(usize) -> String, end: &str, size: usize) -> String {
    let mut text = beginning.to_owned();
    for number in 0.. {
        let element = element(number);
        if text.len() + element.len() + end.len() > size {
            break;
        }
        text.push_str(&element);
    }
    text + end
}
