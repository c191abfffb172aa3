//! `Cookie` fields as browsers, proxies and attackers write them, the same ones every time.

/// `SplitMix64` (Steele, Lea and Flood 2014).
pub(crate) struct Random(u64);

/// What is found around, between and inside of cookies. Only what can stand in a field of HTTP.
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

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or_default()
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn of<'a>(&mut self, all: &'a [&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// One line, or several as over HTTP/2, with none, one or more of these cookie values.
    pub(crate) fn cookie_fields(&mut self, values: &[String]) -> Vec<String> {
        let lines = if self.one_in(8) { 2 + self.below(2) } else { 1 };
        (0..lines).map(|_| self.line(values)).collect()
    }

    fn line(&mut self, values: &[String]) -> String {
        let mut line = String::new();
        for _ in 0..=self.below(4) {
            match self.below(6) {
                0 => (0..=self.below(5)).for_each(|_| line.push_str(self.of(&PIECES))),
                1 => line.push_str(self.of(&["theme=dark", "a=\"b\"", "connect.sid=", "b"])),
                _ => self.cookie(values, &mut line),
            }
            line.push_str(self.of(&["; ", "; ", "; ", ";", " ;\t"]));
        }
        line.trim().to_owned()
    }

    fn cookie(&mut self, values: &[String], line: &mut String) {
        let mut value = values[self.below(values.len())].clone();
        match self.below(8) {
            0 => value = format!("\"{value}\""),
            1 => value = value.replace("s%3A", "s:"),
            2 => value = value.replace("%2B", "+").replace("%2F", "/"),
            3 => self.spoil(&mut value),
            _ => {}
        }
        let name = self.of(&[
            "connect.sid",
            "connect.sid",
            "connect.sid",
            "connect.sid ",
            " connect.sid",
        ]);
        line.push_str(name);
        line.push_str(self.of(&["=", "=", "=", "= ", "=\t"]));
        line.push_str(&value);
    }

    /// Another character, one less, or one more somewhere.
    fn spoil(&mut self, value: &mut String) {
        let at = self.below(value.len());
        match self.below(3) {
            0 => value.replace_range(at..=at, self.of(&["A", "z", "0", "_", "-", "%", "."])),
            1 => drop(value.remove(at)),
            _ => value.insert_str(at, self.of(&PIECES)),
        }
    }
}
