//! The destination of the output: the terminal, or a file while a step runs beside another one.

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

thread_local! {
    static LOG: RefCell<Option<File>> = const { RefCell::new(None) };
}

/// Prints one line, as `println!` does.
macro_rules! say {
    ($($text:tt)*) => { $crate::console::line(format_args!($($text)*)) };
}
pub(crate) use say;

pub(crate) fn line(text: fmt::Arguments<'_>) {
    LOG.with_borrow_mut(|log| match log {
        // A log that cannot be written loses lines, not results.
        Some(log) => drop(writeln!(log, "{text}")),
        None => println!("{text}"),
    });
}

/// From now on the output of this thread and its commands goes to the file.
pub(crate) fn log_to(path: &Path) -> std::io::Result<()> {
    let file = File::create(path)?;
    LOG.set(Some(file));
    Ok(())
}

/// The file of this thread, for the threads that work for it.
pub(crate) fn log() -> Option<File> {
    LOG.with_borrow(|log| log.as_ref().and_then(|log| log.try_clone().ok()))
}

/// From now on the output of this thread and its commands goes to the file of another one.
pub(crate) fn share(log: Option<File>) {
    LOG.set(log);
}

/// Sends the command's output to the destination of this thread.
pub(crate) fn redirect(command: &mut Command) -> std::io::Result<()> {
    LOG.with_borrow(|log| {
        if let Some(log) = log {
            command.stdout(log.try_clone()?).stderr(log.try_clone()?);
        }
        Ok(())
    })
}
