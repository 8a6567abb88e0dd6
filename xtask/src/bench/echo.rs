//! The yardstick for unpipelined reads: a tokio server that looks at nothing but the frames' lengths and answers each
//! `getData` with a frame as long as the real one. It runs as a process of its own (this program, started with a hidden
//! word), so that it and a server are scheduled alike.

use crate::bench::frames::{self, DATA, LENGTH_BYTES};
use anyhow::{Context, Result};
use bytes::{Buf, BytesMut};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wire::client::{ConnectResponse, OpCode, Password, ReplyHeader};
use wire::jute::{self, Writer};
use wire::{ErrorCode, SessionId, Stat, Xid, Zxid};

/// The hidden first word of the command line.
pub const WORD: &str = "echo-server";
/// As many workers as the server has on this machine.
const WORKERS: usize = 2;

/// Serves until killed.
///
/// # Errors
/// When the port cannot be had.
pub fn serve(port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_io().build()?;
    runtime.block_on(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A connection that fails is the generator's to report.
            drop(tokio::spawn(connection(stream)));
        }
    })
}

async fn connection(mut stream: TcpStream) -> std::io::Result<()> {
    let (mut input, mut output) = (BytesMut::with_capacity(1 << 16), BytesMut::with_capacity(1 << 16));
    let mut greeted = false;
    loop {
        input.reserve(1 << 12);
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
        while let Ok(Some(bytes)) = frames::complete(&input) {
            if greeted {
                answer(&input[LENGTH_BYTES..bytes], &mut output);
            } else {
                greet(&mut output);
                greeted = true;
            }
            input.advance(bytes);
        }
        stream.write_all(&output).await?;
        output.clear();
    }
}

fn greet(output: &mut BytesMut) {
    let session = SessionId(1);
    let password = Password::of(session);
    ConnectResponse { timeout: 40_000, session, password, read_only: Some(false) }.encode_frame(output);
}

fn answer(request: &[u8], output: &mut BytesMut) {
    let (Some(xid), Some(opcode)) = (request.first_chunk::<4>(), request.get(4..8)) else { return };
    let header = ReplyHeader { xid: Xid(i32::from_be_bytes(*xid)), zxid: Zxid(1), error: ErrorCode::Ok };
    if opcode != (OpCode::GetData as i32).to_be_bytes() {
        header.encode_frame(output);
        return;
    }
    jute::frame(output, |out| {
        header.encode(out);
        out.buffer(Some(&DATA));
        out.raw(&[0; Stat::BYTES]);
    });
}
