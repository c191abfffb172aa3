//! The answer that opens a session.

use crate::polling::binding::Binding;

/// Whose session is opened.
pub(crate) struct Opening {
    pub(crate) binding: Binding,
    pub(crate) identity: String,
}

/// The longest answer that is read, in bytes.
pub(crate) const LONGEST: usize = 64 * 1024;

impl Opening {
    /// The answer with the `sid` for the client. As it was, if it opens nothing.
    pub(crate) fn bind(&self, answer: Vec<u8>) -> Vec<u8> {
        const NAME: &str = "\"sid\":\"";
        const SEPARATOR: char = '\u{1e}';

        let Ok(text) = str::from_utf8(&answer) else {
            return answer;
        };
        // More packets may follow, with a `sid` of their own.
        let packet = text.split(SEPARATOR).next().unwrap_or_default();
        if !packet.starts_with("0{") {
            return answer;
        }
        let Some((before, behind)) = packet.split_once(NAME) else {
            return answer;
        };
        let Some((sid, _)) = behind.split_once('"') else {
            return answer;
        };
        let bound = self.binding.bind(sid, &self.identity);
        let rest = &text[before.len() + NAME.len() + sid.len()..];
        format!("{before}{NAME}{bound}{rest}").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening() -> Opening {
        Opening {
            binding: Binding::new(&[7; 32]).unwrap(),
            identity: "ada".to_owned(),
        }
    }

    fn bound(answer: &str) -> String {
        String::from_utf8(opening().bind(answer.into())).unwrap()
    }

    #[test]
    fn the_sid_of_the_open_packet_alone_is_bound() {
        let sid = opening().binding.bind("abc", "ada");
        let answer = "0{\"sid\":\"abc\",\"upgrades\":[\"websocket\"]}\u{1e}40{\"sid\":\"d\"}";
        let expected = answer.replacen("abc", &sid, 1);
        assert_eq!(bound(answer), expected);
    }

    #[test]
    fn what_opens_nothing_stays_as_it_was() {
        for answer in [
            "",
            "2",
            "40{\"sid\":\"abc\"}",
            "0{\"upgrades\":[]}\u{1e}40{\"sid\":\"abc\"}",
            "0{\"sid\":\"abc",
            "{\"code\":1,\"sid\":\"a\"}",
        ] {
            assert_eq!(bound(answer), answer);
        }
        assert_eq!(opening().bind(vec![b'0', b'{', 0xff]), [b'0', b'{', 0xff]);
    }
}
