//! A mail server that keeps what it is sent, over real TCP.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A mail as it came.
#[derive(Debug, Clone)]
pub struct Mail {
    pub to: String,
    pub text: String,
}

impl Mail {
    /// A header of one line.
    pub fn header(&self, name: &str) -> &str {
        let prefix = format!("{name}: ");
        self.text
            .lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
}

#[derive(Default)]
struct Post {
    mails: Vec<Mail>,
    /// What the next recipients are answered; taken afterwards.
    answers: Vec<&'static str>,
}

/// The server; it listens once [`Smtp::open`] was called.
#[derive(Clone)]
pub struct Smtp {
    port: u16,
    post: Arc<Mutex<Post>>,
}

impl Smtp {
    /// A server that is down.
    pub async fn down() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        Self { port, post: Arc::default() }
    }

    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Lets it come up.
    pub async fn open(&self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        let post = self.post.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let post = post.clone();
                // A client that hangs up ends its conversation, whatever the last word was.
                tokio::spawn(async move { drop(converse(stream, &post).await) });
            }
        });
    }

    /// The next recipient is answered like this.
    pub fn answer_next(&self, answer: &'static str) {
        self.post.lock().unwrap().answers.push(answer);
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.post.lock().unwrap().mails.clone()
    }

    /// Waits for so many mails.
    pub async fn wait_for(&self, count: usize) -> Vec<Mail> {
        crate::support::eventually(&format!("{count} mails have come"), async || {
            (self.mails().len() >= count).then_some(())
        })
        .await;
        self.mails()
    }
}

async fn converse(stream: TcpStream, post: &Mutex<Post>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut recipient = String::new();
    stream.write_all(b"220 catcher\r\n").await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let command = line.trim_end().to_owned();
        line.clear();
        let answer = match command.split_once(' ').unwrap_or((&command, "")).0.to_ascii_uppercase().as_str() {
            "RCPT" => {
                recipient = command.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                post.lock().unwrap().answers.pop().unwrap_or("250 taken").to_owned()
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let text = read_mail(&mut stream).await?;
                post.lock().unwrap().mails.push(Mail { to: recipient.clone(), text });
                "250 kept".to_owned()
            }
            "QUIT" => break,
            _ => "250 catcher".to_owned(),
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    stream.write_all(b"221 bye\r\n").await
}

async fn read_mail(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(text);
        }
        text += line.strip_prefix('.').unwrap_or(&line);
    }
}
