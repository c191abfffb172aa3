//! A script that a refused client hears before its close frame.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use crate::frame::Close;
use crate::frame::messages::{Event, Messages};
use crate::frame::scanner::Scanner;
use crate::protocol::{Compiled, Ready, Script, Values};
use crate::upgrade::closing_handshake::{Limits, Outcome, Socket};
use crate::upgrade::last_words::{LastRead, Words};

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod tests;

/// What ended a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Its last step was done.
    Done,
    /// A message that it waited for did not come in time.
    NoAnswer,
    /// It has given as many answers as it may.
    Answers,
    /// The client has sent its close frame.
    Closed,
    /// The client has ended the stream, or the connection broke.
    Gone,
    /// The client sent a frame that RFC 6455 forbids.
    Violation,
    /// The client sent more than it may.
    ByteCap,
    /// Its place was needed for another client.
    GaveWay,
    /// A message could not be written in time.
    Deadline,
}

impl Ended {
    /// A stable name for logs and counters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NoAnswer => "no_answer",
            Self::Answers => "answers",
            Self::Closed => "closed",
            Self::Gone => "gone",
            Self::Violation => "violation",
            Self::ByteCap => "byte_cap",
            Self::GaveWay => "gave_way",
            Self::Deadline => "deadline",
        }
    }
}

/// A script, and what stands in its messages.
pub(crate) struct Telling {
    pub(crate) values: Values,
    pub(crate) close: Close,
    pub(crate) limits: Limits,
    /// Told when another client needs the place.
    pub(crate) give_way: Arc<Notify>,
}

impl Socket {
    /// Follows the script, then [tells the close frame](Socket::closing_handshake).
    pub(crate) async fn follow(self, script: &Compiled, telling: Telling) -> (Outcome, Ended) {
        let Self { upgrade, shared } = self;
        match timeout(telling.limits.deadline, upgrade).await {
            Err(_) => (Outcome::Deadline, Ended::Deadline),
            Ok(Err(error)) => (Outcome::UpgradeFailed(error), Ended::Gone),
            Ok(Ok(io)) => follow(TokioIo::new(io), shared, script, telling).await,
        }
    }
}

pub(crate) async fn follow(
    io: impl AsyncRead + AsyncWrite + Unpin,
    shared: bool,
    script: &Compiled,
    mut telling: Telling,
) -> (Outcome, Ended) {
    let limits = telling.limits;
    telling.values.captured = vec![String::new(); script.names];
    let mut frames = Vec::new();
    let mut client = Client::new(io, script, &telling);
    let ended = match client.follow(script, &mut telling, &mut frames).await {
        Ok(ended) => ended,
        Err(error) => return (Outcome::Broken(error), Ended::Gone),
    };
    if ended == Ended::Deadline {
        // Half a frame may be on the wire: nothing follows it.
        return (Outcome::Deadline, ended);
    }
    telling.close.write_to(&mut frames);
    let Client {
        mut io,
        mut scanner,
        read,
        ..
    } = client;
    // It may be the client's close frame.
    scanner.pass(&client.buffer[client.from..client.to]);
    let last = async {
        let mut words = Words::new(frames);
        poll_fn(|cx| words.poll_say(&mut io, cx)).await?;
        let mut ending = LastRead::after(scanner, shared, read);
        poll_fn(|cx| ending.poll_end(&mut io, &limits, cx)).await
    };
    let outcome = timeout(limits.deadline, last).await;
    let outcome = outcome.unwrap_or(Ok(Outcome::Deadline));
    (outcome.unwrap_or_else(Outcome::Broken), ended)
}

/// What is read at a time: a held client keeps it.
const BUFFER: usize = 1024;

struct Client<I> {
    io: I,
    /// What was read, as far as it was not looked at.
    buffer: Box<[u8]>,
    from: usize,
    to: usize,
    messages: Messages,
    /// Stands where the messages stand.
    scanner: Scanner,
    read: u64,
    most: u64,
    give_way: Arc<Notify>,
}

/// What has come of a client, or has not.
enum Heard {
    Message,
    Time,
    Ended(Ended),
}

impl<I: AsyncRead + AsyncWrite + Unpin> Client<I> {
    fn new(io: I, script: &Compiled, telling: &Telling) -> Self {
        Self {
            io,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            from: 0,
            to: 0,
            messages: Messages::new(script.reach()),
            scanner: Scanner::default(),
            read: 0,
            most: telling.limits.bytes,
            give_way: Arc::clone(&telling.give_way),
        }
    }

    /// Leaves in `frames` what is to be written before the close frame.
    async fn follow(
        &mut self,
        script: &Compiled,
        telling: &mut Telling,
        frames: &mut Vec<u8>,
    ) -> io::Result<Ended> {
        let values = &mut telling.values;
        let patience = telling.limits.deadline;
        for step in &script.steps {
            let ended = match step {
                Ready::Send(message) => {
                    message.write(values, frames);
                    None
                }
                Ready::Wait(matcher, time) => {
                    let until = deadline(*time);
                    loop {
                        if !self.say(frames, patience).await? {
                            break Some(Ended::Deadline);
                        }
                        match self.hear(until).await? {
                            Heard::Time => break Some(Ended::NoAnswer),
                            Heard::Ended(ended) => break Some(ended),
                            Heard::Message => {
                                let message = self.messages.prefix();
                                if matcher.capture(message, &mut values.captured) {
                                    break None;
                                }
                            }
                        }
                    }
                }
                Ready::Each(answers, time) => {
                    let until = deadline(*time);
                    let mut count = 0;
                    loop {
                        if !self.say(frames, patience).await? {
                            break Some(Ended::Deadline);
                        }
                        if count == Script::MAX_ANSWERS {
                            break Some(Ended::Answers);
                        }
                        match self.hear(until).await? {
                            Heard::Time => break None,
                            Heard::Ended(ended) => break Some(ended),
                            Heard::Message => {
                                let message = self.messages.prefix();
                                let answer = answers.iter().find(|(matcher, _)| {
                                    matcher.capture(message, &mut values.captured)
                                });
                                if let Some((_, answer)) = answer {
                                    answer.write(values, frames);
                                    count += 1;
                                }
                            }
                        }
                    }
                }
            };
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
        Ok(Ended::Done)
    }

    /// Writes the frames; `false` if the client does not take them in time.
    async fn say(&mut self, frames: &mut Vec<u8>, patience: Duration) -> io::Result<bool> {
        if frames.is_empty() {
            return Ok(true);
        }
        let mut words = Words::new(std::mem::take(frames));
        let said = poll_fn(|cx| words.poll_say(&mut self.io, cx));
        match timeout(patience, said).await {
            Ok(said) => said.map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// Reads up to the end of a message, or what ends the script.
    async fn hear(&mut self, until: Instant) -> io::Result<Heard> {
        let give_way = Arc::clone(&self.give_way);
        let mut told = pin!(give_way.notified());
        loop {
            let (read, event) = self.messages.read(&self.buffer[self.from..self.to]);
            self.scanner.pass(&self.buffer[self.from..self.from + read]);
            self.from += read;
            match event {
                Some(Event::Message) => return Ok(Heard::Message),
                Some(Event::Close) => return Ok(Heard::Ended(Ended::Closed)),
                Some(Event::Violation) => return Ok(Heard::Ended(Ended::Violation)),
                None => {}
            }
            if self.read >= self.most {
                return Ok(Heard::Ended(Ended::ByteCap));
            }
            let (io, bytes) = (&mut self.io, &mut self.buffer[..]);
            let more = poll_fn(|cx| {
                if told.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Ok(None));
                }
                let mut buffer = ReadBuf::new(bytes);
                ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok::<_, io::Error>(Some(buffer.filled().len())))
            });
            match timeout_at(until, more).await {
                Err(_) => return Ok(Heard::Time),
                Ok(more) => match more? {
                    None => return Ok(Heard::Ended(Ended::GaveWay)),
                    Some(0) => return Ok(Heard::Ended(Ended::Gone)),
                    Some(read) => {
                        (self.from, self.to) = (0, read);
                        self.read = self.read.saturating_add(read as u64);
                    }
                },
            }
        }
    }
}

/// A script's times are bounded, so that this is in reach.
fn deadline(time: Duration) -> Instant {
    Instant::now() + time.min(Script::MAX_TIME)
}
