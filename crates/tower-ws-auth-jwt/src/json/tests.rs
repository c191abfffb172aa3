//! Everything beside plain `serde_json`, which is asked for the same.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::*;

/// Any value in which names are unique.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            map.next_value::<Self>()?;
            if !names.insert(name) {
                return Err(Error::custom("twice"));
            }
        }
        Ok(self)
    }
}

/// What `t` and `d` are, as text and as date.
#[derive(Debug, Default, PartialEq)]
struct Found {
    text: Option<String>,
    date: Option<Duration>,
    others: Vec<(String, bool)>,
}

impl<'j> Members<'j> for Found {
    fn member<A: MapAccess<'j>>(
        &mut self,
        name: &str,
        value: Value<'_, 'j, A>,
    ) -> Result<(), Unreadable> {
        match name {
            "t" => self.text = Some(value.text()?.into_owned()),
            "d" => self.date = Some(value.date()?),
            _ => self.others.push((name.to_owned(), value.skip()?)),
        }
        Ok(())
    }
}

fn found(json: &str) -> Option<Found> {
    let mut found = Found::default();
    read(json, usize::MAX, &mut found).ok().map(|()| found)
}

/// By serde: what must be found. Nothing, if the text is to be refused.
fn expected(json: &str) -> Option<Found> {
    serde_json::from_str::<Strict>(json).ok()?;
    let members: serde_json::Map<_, serde_json::Value> = serde_json::from_str(json).ok()?;
    let text = members
        .get("t")
        .map(|text| text.as_str().map(str::to_owned));
    let date = members.get("d").map(|date| {
        let float = date.as_f64()?.max(0.0);
        let whole = date.as_u64().map(Duration::from_secs);
        whole.or_else(|| Some(Duration::try_from_secs_f64(float).unwrap_or(Duration::MAX)))
    });
    let mut others: Vec<_> = members.iter().collect();
    others.retain(|(name, _)| *name != "t" && *name != "d");
    Some(Found {
        text: text.map_or(Some(None), |text| text.map(Some))?,
        date: date.map_or(Some(None), |date| date.map(Some))?,
        others: (others
            .into_iter()
            .map(|(name, value)| (name.clone(), !value.is_null())))
        .collect(),
    })
}

/// Whether it is accepted, by both.
fn agree(json: &str) -> bool {
    let mut found = found(json);
    if let Some(found) = &mut found {
        // serde_json's map is sorted, unless it is told otherwise.
        found.others.sort();
    }
    let mut expected = expected(json);
    if let Some(expected) = &mut expected {
        expected.others.sort();
    }
    assert_eq!(found, expected, "{json}");
    found.is_some()
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }
}

const NAMES: [&str; 9] = [
    "\"t\"",
    "\"d\"",
    "\"a\"",
    "\"\\u0061\"",
    "\"\"",
    "\"seven77\"",
    "\"eight888\"",
    "\"eight889\"",
    "\"é\"",
];

const VALUES: [&str; 16] = [
    "0",
    "1700000060",
    "-1",
    "1.5",
    "1e30",
    "18446744073709551616",
    "99999999999999999999",
    "null",
    "true",
    "false",
    "\"\"",
    "\"plain\"",
    "\"longer than eight bytes\"",
    "\"\\ud83d\\ude00\\n\"",
    "[]",
    "{}",
];

const SCRAPS: [&str; 20] = [
    "{", "}", "[", "]", ",", ":", "\"", "\\", " ", "\n", "\t", "0", "1", "-", ".", "e", "\\u",
    "nul", "\u{1}", "é",
];

fn write(random: &mut Random, depth: usize, json: &mut String) {
    match random.below(if depth > 3 { 6 } else { 10 }) {
        0..=5 => json.push_str(random.one(&VALUES)),
        6 | 7 => write_list(random, depth, json),
        _ => write_object(random, depth, json),
    }
}

fn write_list(random: &mut Random, depth: usize, json: &mut String) {
    json.push('[');
    for n in 0..random.below(4) {
        json.push_str(if n > 0 { "," } else { "" });
        write(random, depth + 1, json);
    }
    json.push(']');
}

fn write_object(random: &mut Random, depth: usize, json: &mut String) {
    json.push('{');
    for n in 0..random.below(5) {
        json.push_str(if n > 0 { "," } else { "" });
        json.push_str(random.one(&NAMES));
        json.push_str(random.one(&[":", " : ", ":\n\t\r"]));
        write(random, depth + 1, json);
    }
    json.push('}');
}

#[test]
fn what_serde_refuses_is_refused_and_the_rest_is_read_alike() {
    let random = &mut Random(0x6a73_6f6e);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..60_000 {
        let mut json = String::new();
        write_object(random, 0, &mut json);
        for _ in 0..random.below(3) {
            let at = random.below(json.len() + 1);
            if !json.is_char_boundary(at) {
                continue;
            }
            match random.below(3) {
                0 if at < json.len() => drop(json.remove(at)),
                1 => json.insert_str(at, random.one(&VALUES)),
                _ => json.insert_str(at, random.one(&SCRAPS)),
            }
        }
        *(if agree(&json) { &mut good } else { &mut bad }) += 1;
    }
    assert!(good > 10_000 && bad > 10_000, "{good} {bad}");
}

#[test]
fn real_documents_whole_and_cut_short_are_read_as_serde_reads_them() {
    let mut read = 0;
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data");
    let mut folders = vec![std::path::PathBuf::from(data)];
    while let Some(folder) = folders.pop() {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "json") {
                let json = std::fs::read_to_string(&path).unwrap();
                read += usize::from(agree(&json));
                for part in 1..50 {
                    let cut = json.get(..json.len() * part / 50);
                    agree(cut.unwrap_or_default());
                }
            }
        }
    }
    assert!(read > 3, "{read}");
}

proptest::proptest! {
    #[test]
    fn any_text_in_any_member_is_read_as_serde_reads_it(name in ".*", text in ".*", junk in ".*") {
        let written = serde_json::json!({ "t": &text, &name: { &text: &name, &name: [&text] } });
        agree(&written.to_string());
        let [name, text] = [name, text].map(|it| serde_json::Value::from(it).to_string());
        agree(&format!(r#"{{"t":{text},{name}:{text},"d":{junk}}}"#));
        agree(&format!(r#"{{"t":"{junk}",{name}:[{text},{text}]}}"#));
        agree(&junk);
    }
}

#[test]
fn half_a_surrogate_pair_is_no_text() {
    for first in (0xd7fc..0xe004).step_by(3) {
        for second in (0xdbfc..0xe004).step_by(7) {
            for name in ["a", "t"] {
                agree(&format!(r#"{{"{name}":"\u{first:04x}\u{second:04X}"}}"#));
            }
        }
        for rest in ["", "x", "\\n", "\\u", "\\u00", "\\udc0"] {
            agree(&format!(r#"{{"a":"\u{first:04x}{rest}"}}"#));
        }
    }
}

#[test]
fn numbers_are_read_as_serde_reads_them() {
    for whole in [
        "",
        "-",
        "0",
        "-0",
        "00",
        "01",
        "7",
        "+1",
        ".",
        "1700000060",
        "1234567890123456789",
    ] {
        for digits in ["", "0", "12345678901234567890", "9", "."] {
            for rest in [
                "", ".", ".0", ".25", "e", "e5", "E+2", "e-400", "e400", "-1", "x",
            ] {
                for name in ["d", "a"] {
                    agree(&format!(r#"{{"{name}":{whole}{digits}{rest}}}"#));
                }
            }
        }
    }
    for number in [
        "9999999999999999999",
        "18446744073709551615",
        "18446744073709551616",
    ] {
        assert!(agree(&format!(r#"{{"d":{number}}}"#)));
    }
}

#[test]
fn it_nests_as_deep_as_serde_reads() {
    for (open, close) in [("[", "]"), (r#"{"x":"#, "}"), (r#"[{"x":"#, "}]")] {
        for times in 0..200 {
            let (open, close) = (open.repeat(times), close.repeat(times));
            agree(&format!(r#"{{"a":{open}1{close}}}"#));
        }
    }
}

#[test]
fn names_are_unique_however_they_are_written_and_however_many() {
    let names: Vec<_> = (0..40)
        .map(|n| format!("{}{n}", "n".repeat(n % 12)))
        .collect();
    let write = |names: &[String]| {
        let members: Vec<_> = names.iter().map(|name| format!(r#""{name}":1"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    for count in 1..names.len() {
        let all = &names[..count];
        assert!(agree(&write(all)));
        for twice in all {
            let escaped = format!("\\u006e{}", twice.strip_prefix('n').unwrap_or(twice));
            for twice in [twice, &escaped] {
                let twice = std::slice::from_ref(twice);
                for more in [[all, twice].concat(), [twice, all].concat()] {
                    agree(&write(&more));
                    agree(&format!(r#"{{"a":{},"b":{}}}"#, write(all), write(&more)));
                }
            }
        }
    }
}

#[test]
fn no_more_names_are_remembered_than_allowed() {
    let json = |names: usize| {
        let members: Vec<_> = (0..names)
            .map(|n| format!(r#""{n}":{{"n":{n}}}"#))
            .collect();
        format!("{{{}}}", members.join(","))
    };
    for limit in 2..30 {
        let read = |names| read(&json(names), limit, &mut Found::default()).is_ok();
        // One more, for a moment, in each value.
        assert!(read(limit - 1));
        assert!(!read(limit));
    }
}
