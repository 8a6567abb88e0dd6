//! The bytes of a file, with holes.

use std::collections::BTreeMap;

/// What space is counted in.
pub(super) const PAGE_BYTES: u64 = 4096;

#[derive(Default, Clone)]
pub(super) struct Content {
    pub(super) len: u64,
    pub(super) pages: BTreeMap<u64, Vec<u8>>,
}

impl Content {
    pub(super) fn read(&self, offset: u64, into: &mut [u8]) -> usize {
        let left = self.len.saturating_sub(offset);
        let count = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut done = 0;
        while done < count {
            let at = offset + done as u64;
            let in_page = (at % PAGE_BYTES) as usize;
            let part = (count - done).min(PAGE_BYTES as usize - in_page);
            match self.pages.get(&(at / PAGE_BYTES)) {
                Some(page) => into[done..done + part].copy_from_slice(&page[in_page..in_page + part]),
                None => into[done..done + part].fill(0),
            }
            done += part;
        }
        count
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let in_page = (at % PAGE_BYTES) as usize;
            let part = (bytes.len() - done).min(PAGE_BYTES as usize - in_page);
            let page = self.pages.entry(at / PAGE_BYTES).or_insert_with(|| vec![0; PAGE_BYTES as usize]);
            page[in_page..in_page + part].copy_from_slice(&bytes[done..done + part]);
            done += part;
        }
        self.len = self.len.max(offset + bytes.len() as u64);
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.pages.retain(|page, _| page * PAGE_BYTES < len);
            if let Some(page) = self.pages.get_mut(&(len / PAGE_BYTES)) {
                page[(len % PAGE_BYTES) as usize..].fill(0);
            }
        }
        self.len = len;
    }
}
