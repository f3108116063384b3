//! WHIP (RFC 9725) and WHEP over a plain HTTP/1.1 of its own, which is all that a test on one machine needs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::events::{say, text};
use crate::{Options, Outcome};

const RETRY: Duration = Duration::from_millis(500);
const RETRY_WITHIN: Duration = Duration::from_secs(10);

struct Response {
    status: u16,
    head: String,
    body: String,
}

impl Response {
    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// What the server made of our offer.
pub struct Session {
    url: String,
}

impl Session {
    pub fn leave(&self, token: &str) {
        let _ = request("DELETE", &self.url, token, "");
    }
}

/// Post the offer: the answer, or nothing if it was refused. While there is nothing to watch, it is tried again.
pub fn negotiate(options: &Options, offer: &str) -> Outcome<Option<(String, Session)>> {
    say("offer", &[("sdp", text(offer))]);
    let began = Instant::now();
    loop {
        let response = request("POST", &options.url, &options.token, offer)?;
        let status = ("status", response.status.to_string());
        if response.status == 201 {
            say("answer", &[status, ("sdp", text(&response.body))]);
            let location = response.field("Location").ok_or("an answer without Location")?;
            let url = resolve(&options.url, location)?;
            return Ok(Some((response.body, Session { url })));
        }
        if response.field("Retry-After").is_none() || began.elapsed() > RETRY_WITHIN {
            say("refused", &[status, ("body", text(&response.body))]);
            return Ok(None);
        }
        std::thread::sleep(RETRY);
    }
}

/// The authority and the path of an `http` URL.
fn split(url: &str) -> Outcome<(&str, &str)> {
    let rest = url.strip_prefix("http://").ok_or("only http is known here")?;
    Ok(rest.split_at(rest.find('/').unwrap_or(rest.len())))
}

fn resolve(base: &str, location: &str) -> Outcome<String> {
    if location.starts_with("http://") {
        return Ok(location.to_string());
    }
    let (authority, _) = split(base)?;
    Ok(format!("http://{authority}{location}"))
}

fn request(method: &str, url: &str, token: &str, body: &str) -> Outcome<Response> {
    let (authority, path) = split(url)?;
    let mut stream = TcpStream::connect(authority)?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/sdp\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP response")?;
    let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
    Ok(Response { status, head: head.to_string(), body: body.to_string() })
}
