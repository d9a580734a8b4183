//! A folder into which mails are delivered.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

/// A folder for mails.
pub struct Mailbox(PathBuf);

impl Mailbox {
    #[expect(clippy::new_without_default, reason = "each is a folder of its own")]
    pub fn new() -> Self {
        Self(std::env::temp_dir().join(format!("holdfast-mails-{}", Uuid::now_v7().simple())))
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.0.display())
    }

    /// Takes the one mail out: its headers, and its text as people read it.
    pub fn take(&self) -> (String, String) {
        let mut files: Vec<_> =
            std::fs::read_dir(&self.0).unwrap().map(|file| file.unwrap().path()).collect();
        let file = files.pop().unwrap();
        assert!(files.is_empty(), "{files:?}");
        let mail = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(file).unwrap();
        let (headers, body) = mail.split_once("\r\n\r\n").unwrap();
        (headers.to_owned(), decoded(headers, body))
    }

    pub fn is_empty(&self) -> bool {
        std::fs::read_dir(&self.0).unwrap().next().is_none()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn decoded(headers: &str, body: &str) -> String {
    if headers.contains("quoted-printable") {
        let mut bytes = vec![];
        let mut pieces = body.replace("=\r\n", "").into_bytes().into_iter();
        while let Some(byte) = pieces.next() {
            let mut digit = || pieces.next().unwrap() as char;
            bytes.push(match byte {
                b'=' => u8::from_str_radix(&format!("{}{}", digit(), digit()), 16).unwrap(),
                byte => byte,
            });
        }
        String::from_utf8(bytes).unwrap()
    } else if headers.contains("base64") {
        String::from_utf8(STANDARD.decode(body.replace("\r\n", "")).unwrap()).unwrap()
    } else {
        body.to_owned()
    }
}

/// What follows `link=` in the text of a mail.
pub fn link_in(text: &str) -> String {
    text.split_once("/shop/sign-in/confirm?link=").unwrap().1.split_whitespace().next().unwrap().to_owned()
}
