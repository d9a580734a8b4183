//! AMQP written byte by byte: what no client library of ours would send, and others do.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const FRAME_END: u8 = 0xce;
/// The flag of the property `message-id`.
const MESSAGE_ID: u16 = 1 << 7;

/// Publishes a body whose message id has these bytes, which need not be text, and waits until the broker has it.
pub fn publish_with_id(amqp_url: &str, queue: &str, message_id: &[u8], body: &[u8]) {
    let (address, vhost) = amqp_url.rsplit_once('@').unwrap().1.split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"AMQP\x00\x00\x09\x01").unwrap();
    read_frame(&mut stream);
    // connection.start-ok: no properties of ours, PLAIN, guest.
    method(
        &mut stream,
        0,
        (10, 11),
        &[&[0; 4], &short(b"PLAIN"), &long(b"\0guest\0guest"), &short(b"en_US")],
    );
    read_frame(&mut stream);
    // connection.tune-ok: ten channels, frames of 128 KiB, no heartbeat.
    method(&mut stream, 0, (10, 31), &[&[0, 10], &131_072_u32.to_be_bytes(), &[0, 0]]);
    method(&mut stream, 0, (10, 40), &[&short(vhost.as_bytes()), &[0, 0]]);
    read_frame(&mut stream);
    method(&mut stream, 1, (20, 10), &[&[0]]);
    read_frame(&mut stream);

    method(&mut stream, 1, (60, 40), &[&[0, 0], &short(b"commands"), &short(queue.as_bytes()), &[0]]);
    let size = (body.len() as u64).to_be_bytes();
    let header = [&[0, 60, 0, 0], &size[..], &MESSAGE_ID.to_be_bytes(), &short(message_id)].concat();
    frame(&mut stream, HEADER, 1, &header);
    frame(&mut stream, BODY, 1, body);
    // channel.close: its answer comes after the message was taken.
    method(&mut stream, 1, (20, 40), &[&[0, 200], &short(b"bye"), &[0; 4]]);
    read_frame(&mut stream);
}

fn short(text: &[u8]) -> Vec<u8> {
    [&[text.len() as u8], text].concat()
}

fn long(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes(), text].concat()
}

fn method(stream: &mut TcpStream, channel: u16, (class, id): (u16, u16), arguments: &[&[u8]]) {
    let payload = [&class.to_be_bytes()[..], &id.to_be_bytes(), &arguments.concat()].concat();
    frame(stream, METHOD, channel, &payload);
}

fn frame(stream: &mut TcpStream, kind: u8, channel: u16, payload: &[u8]) {
    let size = (payload.len() as u32).to_be_bytes();
    let frame = [&[kind], &channel.to_be_bytes()[..], &size, payload, &[FRAME_END]].concat();
    stream.write_all(&frame).unwrap();
}

fn read_frame(stream: &mut TcpStream) {
    let mut head = [0; 7];
    stream.read_exact(&mut head).unwrap();
    let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
    let mut rest = vec![0; size as usize + 1];
    stream.read_exact(&mut rest).unwrap();
}
