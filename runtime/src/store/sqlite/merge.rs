//! Deliveries of many endpoints in one order, by the indexes that each endpoint has.
//!
//! A tenant's deliveries are few among many: an index of them all would be another one to write
//! for every delivery. Its endpoints have theirs, so a page takes the next delivery of each and
//! merges them: that costs a look at an index for each endpoint, and nothing when a delivery is
//! made.

use super::StoreFault;
use super::rows;
use crate::history::Direction;
use postrider_engine::DeliveryId;
use rusqlite::{Connection, ToSql};
use std::collections::{BinaryHeap, VecDeque};

/// Index entries that are read at once, over all streams; but two of each.
const AT_ONCE: usize = 256;

/// Which deliveries one stream is of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stream {
    /// Every one there is.
    All,
    /// Those of an owner.
    Owner(i64),
    /// Those of an owner that failed.
    Failed(i64),
    /// Those of an owner that failed for a reason, and were neither resent nor discarded.
    Dead(i64, i64),
}

/// The deliveries of some streams, by their ids.
pub(super) struct Merged<'a> {
    connection: &'a Connection,
    direction: Direction,
    streams: Vec<Opened>,
    /// The next one of each stream. Greatest first, so the keys of the oldest are turned round.
    heads: BinaryHeap<(u128, i64, usize)>,
}

struct Opened {
    stream: Option<Stream>,
    /// What is left of it: from there, up to before there.
    left: (u128, u128),
    read: VecDeque<(u128, i64)>,
}

impl<'a> Merged<'a> {
    /// The deliveries of these streams whose ids are between these.
    pub(super) fn of(
        connection: &'a Connection,
        streams: impl IntoIterator<Item = Stream>,
        between: (u128, u128),
        direction: Direction,
    ) -> Result<Self, StoreFault> {
        let opened = streams.into_iter().map(|stream| Opened {
            stream: Some(stream),
            left: between,
            read: VecDeque::new(),
        });
        Self::opened(connection, opened.collect(), direction)
    }

    /// These deliveries, as far as their ids are between these.
    pub(super) fn given(
        connection: &'a Connection,
        mut deliveries: Vec<(u128, i64)>,
        (from, until): (u128, u128),
        direction: Direction,
    ) -> Result<Self, StoreFault> {
        deliveries.retain(|(id, _)| (from..until).contains(id));
        deliveries.sort_unstable();
        if direction == Direction::NewestFirst {
            deliveries.reverse();
        }
        let opened = Opened {
            stream: None,
            left: (until, until),
            read: deliveries.into(),
        };
        Self::opened(connection, vec![opened], direction)
    }

    fn opened(
        connection: &'a Connection,
        streams: Vec<Opened>,
        direction: Direction,
    ) -> Result<Self, StoreFault> {
        let mut merged = Self {
            connection,
            direction,
            streams,
            heads: BinaryHeap::new(),
        };
        for place in 0..merged.streams.len() {
            merged.advance(place)?;
        }
        Ok(merged)
    }

    /// The id and the number of the next delivery.
    pub(super) fn next(&mut self) -> Result<Option<(DeliveryId, i64)>, StoreFault> {
        let Some((key, number, place)) = self.heads.pop() else {
            return Ok(None);
        };
        self.advance(place)?;
        Ok(Some((DeliveryId::from_u128(self.key(key)), number)))
    }

    /// The next one of this stream becomes its head.
    fn advance(&mut self, place: usize) -> Result<(), StoreFault> {
        let at_once = (AT_ONCE / self.streams.len().max(1)).max(2);
        let stream = &mut self.streams[place];
        if stream.read.is_empty() {
            stream.refill(self.connection, self.direction, at_once)?;
        }
        if let Some((id, number)) = stream.read.pop_front() {
            self.heads.push((self.key(id), number, place));
        }
        Ok(())
    }

    /// What is greatest for what comes first, and back.
    fn key(&self, id: u128) -> u128 {
        match self.direction {
            Direction::NewestFirst => id,
            Direction::OldestFirst => !id,
        }
    }
}

impl Opened {
    fn refill(
        &mut self,
        connection: &Connection,
        direction: Direction,
        most: usize,
    ) -> Result<(), StoreFault> {
        let Some(stream) = self.stream else {
            return Ok(());
        };
        let (index, which, owner, reason) = match stream {
            Stream::All => ("postrider_delivery_id", "", 0, 0),
            Stream::Owner(owner) => ("postrider_delivery_owner", "owner = ?4 AND", owner, 0),
            Stream::Failed(owner) => (
                "postrider_delivery_dead",
                "owner = ?4 AND state = 3 AND",
                owner,
                0,
            ),
            Stream::Dead(owner, reason) => (
                "postrider_delivery_letter",
                "owner = ?4 AND detail = ?5 AND state = 3 AND resent_as IS NULL AND",
                owner,
                reason,
            ),
        };
        let order = match direction {
            Direction::NewestFirst => "DESC",
            Direction::OldestFirst => "ASC",
        };
        let mut select = connection.prepare_cached(&format!(
            "SELECT id, number FROM postrider_delivery INDEXED BY {index}
             WHERE {which} id >= ?1 AND id < ?2 ORDER BY id {order} LIMIT ?3"
        ))?;
        let (from, until) = (self.left.0.to_be_bytes(), self.left.1.to_be_bytes());
        let limit = rows::signed(most as u64);
        let all: [&dyn ToSql; 5] = [&from, &until, &limit, &owner, &reason];
        let bound = match stream {
            Stream::All => &all[..3],
            Stream::Owner(_) | Stream::Failed(_) => &all[..4],
            Stream::Dead(..) => &all[..],
        };
        let mut found = select.query(bound)?;
        while let Some(row) = found.next()? {
            let id = row.get_ref(0)?.as_blob().map_err(rows::damaged)?;
            self.read.push_back((rows::id(id)?, row.get(1)?));
        }
        match (self.read.back(), direction) {
            (Some((last, _)), Direction::NewestFirst) => self.left.1 = *last,
            (Some((last, _)), Direction::OldestFirst) => self.left.0 = last.saturating_add(1),
            (None, _) => self.stream = None,
        }
        Ok(())
    }
}
