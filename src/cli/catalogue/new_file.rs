//! A file that takes the place of another one once it is whole: what fails leaves the one of before.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// A file being written.
pub(super) struct NewFile {
    out: BufWriter<File>,
    /// What is renamed to what, unless it is written in place.
    part: Option<(PathBuf, PathBuf)>,
}

impl NewFile {
    /// Begins a file beside the one of this name. What is no ordinary file, as a pipe, is written to as it is.
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        let old = fs::metadata(path).ok();
        if old.as_ref().is_some_and(|old| !old.is_file()) {
            return Ok(Self { out: BufWriter::new(File::options().write(true).open(path)?), part: None });
        }
        // Where a link leads, the link stays.
        let path = if old.is_some() { path.canonicalize()? } else { path.to_owned() };
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        let part = path.with_file_name(format!(".{name}.{}.part", Uuid::now_v7()));
        let file = File::create_new(&part)?;
        let new = Self { out: BufWriter::new(file), part: Some((part.clone(), path)) };
        if let Some(old) = old {
            fs::set_permissions(&part, old.permissions())?;
        }
        Ok(new)
    }

    /// The file is whole.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.flush()?;
        if let Some((part, path)) = &self.part {
            self.out.get_ref().sync_all()?;
            fs::rename(part, path)?;
            self.part = None;
        }
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some((part, _)) = &self.part {
            let _ = fs::remove_file(part);
        }
    }
}
