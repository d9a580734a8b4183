//! What the command line prints. Whoever reads it may stop early, as `head` does: then there is nobody left to print for, and
//! the program ends without a word, as one that the signal of a broken pipe ends.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, StdoutLock, Write};
use std::process::exit;

/// What a shell says of a program that SIGPIPE ended: 128 and the signal's number.
const READER_IS_GONE: i32 = 141;

/// Standard output.
pub(super) struct Output(StdoutLock<'static>);

impl Output {
    pub(super) fn lock() -> Self {
        Self(io::stdout().lock())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(end_if_nobody_reads)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(end_if_nobody_reads)
    }
}

fn end_if_nobody_reads(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::BrokenPipe => exit(READER_IS_GONE),
        _ => error,
    }
}

/// Prints a line for [`say`].
pub(super) fn say_line(line: Arguments<'_>) {
    if let Err(error) = writeln!(Output::lock(), "{line}") {
        note_line(format_args!("cannot print: {error}"));
        exit(1);
    }
}

/// Prints a line beside the result for [`note`]. What nobody hears keeps nobody from the result.
pub(super) fn note_line(line: Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints a line of the result, as `println!` does.
macro_rules! say {
    ($($line:tt)*) => { $crate::cli::output::say_line(format_args!($($line)*)) };
}

/// Prints a line that is no part of the result, as `eprintln!` does.
macro_rules! note {
    ($($line:tt)*) => { $crate::cli::output::note_line(format_args!($($line)*)) };
}

pub(super) use {note, say};
