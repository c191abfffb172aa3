//! The real express-session in a process of Node.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

pub(crate) struct Express {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    secrets: Value,
}

impl Express {
    pub(crate) fn start(secrets: &[&str]) -> Self {
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut process = Command::new("node")
            .arg(here.join("node/express.cjs"))
            .env(
                "NODE_PATH",
                test_support::packages("node/node_modules", "express-session"),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is not installed: `cargo xtask setup` installs it");
        let questions = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self {
            process,
            questions,
            answers,
            secrets: json!(secrets),
        }
    }

    /// The id that express-session asks its store for.
    pub(crate) fn ask(&mut self, lines: &[String]) -> Option<String> {
        let question = self.question(lines);
        self.call(&question).as_str().map(ToOwned::to_owned)
    }

    /// [`ask`](Self::ask) for each, all at once.
    pub(crate) fn ask_all(&mut self, all: &[Vec<String>]) -> Vec<Option<String>> {
        let lines: Vec<String> = all
            .iter()
            .map(|lines| self.question(lines).to_string())
            .collect();
        let text = lines.join("\n") + "\n";
        let mut questions = self.questions.take().unwrap();
        // Written beside the reading, or both pipes would fill.
        let writer = std::thread::spawn(move || {
            questions.write_all(text.as_bytes()).unwrap();
            questions
        });
        let answers = all
            .iter()
            .map(|_| self.answer().as_str().map(ToOwned::to_owned))
            .collect();
        self.questions = Some(writer.join().unwrap());
        answers
    }

    /// The cookie's value for an id, as express-session writes it.
    pub(crate) fn sign(&mut self, sid: &str, secret: &str) -> String {
        let answer = self.call(&json!({ "do": "sign", "sid": sid, "secret": secret }));
        answer.as_str().unwrap().to_owned()
    }

    /// A login at a real server: the cookie, the id, and the record in its store.
    pub(crate) fn login(&mut self, user: &str) -> (String, String, String) {
        self.login_with(user, None)
    }

    /// [`login`](Self::login), with a text that the application cuts by one UTF-16 code unit.
    pub(crate) fn login_with(
        &mut self,
        user: &str,
        text: Option<&str>,
    ) -> (String, String, String) {
        let secrets = &self.secrets;
        let question = json!({ "do": "login", "secrets": secrets, "user": user, "text": text });
        let answer = self.call(&question);
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        (text("cookie"), text("sid"), text("record"))
    }

    /// The user that a handler there finds, given this cookie and this record in the store.
    pub(crate) fn user(&mut self, cookie: &str, record: &str) -> Option<String> {
        let secrets = &self.secrets;
        let question =
            json!({ "do": "user", "secrets": secrets, "cookie": cookie, "record": record });
        self.call(&question).as_str().map(ToOwned::to_owned)
    }

    fn question(&self, lines: &[String]) -> Value {
        json!({ "do": "ask", "secrets": self.secrets, "cookie": lines })
    }

    fn call(&mut self, question: &Value) -> Value {
        writeln!(self.questions.as_mut().unwrap(), "{question}").unwrap();
        self.answer()
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).expect("express-session failed; see its error above")
    }
}

impl Drop for Express {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
