//! `Cookie` fields as browsers, proxies and attackers write them, the same ones every time.

use test_support::Random;

pub(crate) struct Fields(Random);

/// Texts around, between and inside of cookies. Only bytes that an HTTP field can hold.
const PIECES: [&str; 28] = [
    ";",
    "; ",
    " ; ",
    ";;",
    "=",
    "==",
    " ",
    "\t",
    "\"",
    ",",
    "%",
    "%20",
    "%2E",
    "%zz",
    "%C3%AB",
    "%E0%A4",
    "+",
    ".",
    "s:",
    "s%3A",
    "s%3a",
    "connect.sid",
    "connect.sid=",
    "Connect.Sid=",
    "connect%2Esid=",
    "a=b",
    "__proto__=x",
    "x",
];

impl Fields {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.0.below(chances) == 0
    }

    /// One line, or several as over HTTP/2, with none, one or more of these cookie values.
    pub(crate) fn cookie_fields(&mut self, values: &[String]) -> Vec<String> {
        let lines = if self.one_in(8) {
            2 + self.0.below(2)
        } else {
            1
        };
        (0..lines).map(|_| self.line(values)).collect()
    }

    fn line(&mut self, values: &[String]) -> String {
        let mut line = String::new();
        for _ in 0..=self.0.below(4) {
            match self.0.below(6) {
                0 => (0..=self.0.below(5)).for_each(|_| line.push_str(self.0.of(&PIECES))),
                1 => line.push_str(self.0.of(&["theme=dark", "a=\"b\"", "connect.sid=", "b"])),
                _ => self.cookie(values, &mut line),
            }
            line.push_str(self.0.of(&["; ", "; ", "; ", ";", " ;\t"]));
        }
        line.trim().to_owned()
    }

    fn cookie(&mut self, values: &[String], line: &mut String) {
        let mut value = values[self.0.below(values.len())].clone();
        match self.0.below(8) {
            0 => value = format!("\"{value}\""),
            1 => value = value.replace("s%3A", "s:"),
            2 => value = value.replace("%2B", "+").replace("%2F", "/"),
            3 => self.spoil(&mut value),
            _ => {}
        }
        let name = self.0.of(&[
            "connect.sid",
            "connect.sid",
            "connect.sid",
            "connect.sid ",
            " connect.sid",
        ]);
        line.push_str(name);
        line.push_str(self.0.of(&["=", "=", "=", "= ", "=\t"]));
        line.push_str(&value);
    }

    /// Another character, one less, or one more somewhere.
    fn spoil(&mut self, value: &mut String) {
        let at = self.0.below(value.len());
        match self.0.below(3) {
            0 => value.replace_range(at..=at, self.0.of(&["A", "z", "0", "_", "-", "%", "."])),
            1 => drop(value.remove(at)),
            _ => value.insert_str(at, self.0.of(&PIECES)),
        }
    }
}
