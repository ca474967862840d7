//! Makes changes in a transaction, as the engine's store in memory does.

use super::StoreFault;
use super::lanes::{Lane, Lanes};
use super::rows::{self, DELIVERY_COLUMNS, DeliveryRow, signed};
use super::seal::KeyRing;
use postrider_engine::{
    Attempt, Attempted, Change, DeliveryId, DeliveryState, EndpointId, EndpointStatus, EventId,
    FailReason, Outcome, Placed, Publish, Receipt, Refusal, ReplayId, Seq, Spot, Wall,
};
use rusqlite::{Connection, params};

/// Rows that are read at once where there may be very many.
const AT_ONCE: usize = 1_000;

/// A transaction, and what is known of the lanes in it.
pub(super) struct Changes<'a> {
    pub(super) connection: &'a Connection,
    pub(super) lanes: &'a mut Lanes,
    pub(super) keys: &'a KeyRing,
    /// There is room for bodies of requests that are not the payload of their event.
    pub(super) keeps_bodies: bool,
}

impl Changes<'_> {
    /// Makes one change.
    pub(super) fn make(&mut self, change: &Change) -> Result<Receipt, StoreFault> {
        match change {
            Change::Publish(publish) => self.publish(publish),
            Change::Attempted(end) => self.attempted(end),
            Change::AddEndpoint(endpoint) => self.add_endpoint(endpoint),
            Change::ChangeEndpoint(update) => self.change_endpoint(update),
            Change::DeleteEndpoint { endpoint, keep, at } => {
                self.delete_endpoint(*endpoint, keep, *at)
            }
            Change::Resend {
                of,
                new,
                replay,
                at,
            } => self.resend(*of, (*new, *replay), *at),
            Change::Backfill {
                event,
                endpoint,
                ordered,
                new,
                replay,
                at,
            } => self.backfill(*event, (*endpoint, *ordered), (*new, *replay), *at),
            Change::Discard { delivery, dead, at } => self.discard(*delivery, *dead, *at),
            Change::RetryNow {
                delivery,
                with,
                ordered,
                at,
            } => self.retry_now(*delivery, with, (*ordered, *at)),
        }
    }

    fn publish(&mut self, publish: &Publish) -> Result<Receipt, StoreFault> {
        let event = &publish.event;
        let tenant = event.tenant.as_str();
        if let Some(key) = &publish.idempotency
            && let Some(earlier) = self.known_by_key(&event.tenant, key, event.id)?
        {
            if publish.from_outbox && matches!(earlier, Receipt::Duplicate(_)) {
                self.leave_outbox(event.id)?;
            }
            return Ok(earlier);
        }
        if publish.from_outbox && (!self.leave_outbox(event.id)? || self.is_event(event.id)?) {
            return Ok(Receipt::Duplicate(event.id));
        }
        let first = self.lanes.next_delivery(self.connection)?;
        let number = self.lanes.next_event(self.connection)?;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO postrider_event
                 (id, tenant, type, key, published_at, payload, checksum, first, count,
                  idempotency, number, media_type, coding, addressed, headers)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?;
        let (media_type, coding) = rows::type_columns(&event.payload_type);
        insert.execute(params![
            event.id.as_u128().to_be_bytes(),
            tenant,
            event.event_type.as_str(),
            event.ordering_key.get().unwrap_or_default(),
            signed(event.published_at.0),
            &event.payload[..],
            rows::event_checksum(event),
            first,
            signed(publish.deliveries.len() as u64),
            publish.idempotency.as_ref().map(|key| &*key.key),
            number,
            media_type,
            coding,
            publish.addressed,
            event.headers.lines(),
        ])?;
        self.lanes.took_event();
        if let Some(key) = &publish.idempotency {
            let mut insert = self.connection.prepare_cached(
                "INSERT INTO postrider_idempotency (tenant, key, digest, event)
                 VALUES (?1, ?2, ?3, ?4)",
            )?;
            let id = event.id.as_u128().to_be_bytes();
            insert.execute(params![tenant, &*key.key, key.digest, id])?;
        }
        let bytes = signed(event.payload.len() as u64);
        let spots = publish.deliveries.iter().map(|new| {
            let at = event.published_at;
            let lane = self
                .lanes
                .named(self.connection, &new.lane, (&event.tenant, at))?;
            let spot = self.enqueue(new.id, lane, (number, bytes), None, at)?;
            if new.queue_full
                && let Some(mut row) = self.delivery(new.id)?
            {
                self.end(&mut row, DeliveryState::Failed(FailReason::QueueFull), at)?;
            }
            Ok::<_, StoreFault>(spot)
        });
        Ok(Receipt::Published(spots.collect::<Result<_, _>>()?))
    }

    /// Takes an event out of the outbox. False if it is not there.
    fn leave_outbox(&self, id: EventId) -> Result<bool, StoreFault> {
        let mut delete = self
            .connection
            .prepare_cached("DELETE FROM postrider_outbox WHERE id = ?1")?;
        Ok(delete.execute([id.as_u128().to_be_bytes()])? > 0)
    }

    /// Whether there is such an event already. Somebody may have put it into the outbox twice, and
    /// an error of the table would stop the engine at every start.
    fn is_event(&self, id: EventId) -> Result<bool, StoreFault> {
        let mut known = self
            .connection
            .prepare_cached("SELECT 1 FROM postrider_event WHERE id = ?1")?;
        Ok(known.exists([id.as_u128().to_be_bytes()])?)
    }

    /// Puts a delivery at the end of its lane, or in the place of the dead letter at which the
    /// lane has stopped, if that is what it makes anew.
    pub(super) fn enqueue(
        &mut self,
        id: DeliveryId,
        lane: i64,
        (event, bytes): (i64, i64),
        made_by: Option<(Option<&DeliveryRow>, Option<ReplayId>)>,
        at: Wall,
    ) -> Result<Spot, StoreFault> {
        let original = made_by.and_then(|(of, _)| of);
        let resend_of = original.map(|of| of.id);
        let replay = made_by.and_then(|(_, replay)| replay);
        let seq = self.lanes.take_place(lane, resend_of, bytes)?;
        let ordinal = match original {
            Some(of) => of.ordinal,
            None => Some(self.lanes.next_ordinal(lane)?),
        };
        let &mut Lane { owner, epoch, .. } = self.lanes.read(self.connection, lane)?;
        self.lanes.hours.at(self.connection, owner, at)?.accepted += 1;
        let row = DeliveryRow {
            number: self.lanes.next_delivery(self.connection)?,
            id: id.as_u128(),
            event,
            owner,
            lane,
            seq: signed(seq.0),
            bytes,
            state: DeliveryState::Pending,
            attempts: 0,
            ended_at: None,
            resend_of,
            resent_as: None,
            replay: replay.map(ReplayId::as_u128),
            ordinal,
        };
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO postrider_delivery
                 (number, id, event, owner, lane, seq, bytes, state, detail, attempts, resend_of,
                  replay, checksum, ordinal)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, 0, ?8, ?9, ?10, ?11)",
        )?;
        insert.execute(params![
            row.number,
            row.id.to_be_bytes(),
            event,
            owner,
            lane,
            row.seq,
            bytes,
            resend_of.map(u128::to_be_bytes),
            row.replay.map(u128::to_be_bytes),
            row.checksum(),
            ordinal,
        ])?;
        self.lanes.took_number();
        let ordinal = row.ordinal_in(epoch)?;
        Ok(Spot { seq, ordinal })
    }

    pub(super) fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryRow>, StoreFault> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {DELIVERY_COLUMNS} FROM postrider_delivery d WHERE d.id = ?1"
        ))?;
        let mut rows = select.query([id.as_u128().to_be_bytes()])?;
        rows.next()?.map(DeliveryRow::read).transpose()
    }

    pub(super) fn write(&self, row: &DeliveryRow) -> Result<(), StoreFault> {
        let (state, detail) = rows::state(row.state);
        let mut update = self.connection.prepare_cached(
            "UPDATE postrider_delivery
             SET state = ?2, detail = ?3, attempts = ?4, ended_at = ?5, resent_as = ?6,
                 checksum = ?7
             WHERE number = ?1",
        )?;
        update.execute(params![
            row.number,
            state,
            detail,
            row.attempts,
            row.ended_at,
            row.resent_as.map(u128::to_be_bytes),
            row.checksum(),
        ])?;
        Ok(())
    }

    fn attempted(&mut self, end: &Attempted) -> Result<Receipt, StoreFault> {
        let known = self.delivery(end.delivery)?;
        let Some(mut row) = known.filter(|row| !row.state.is_end()) else {
            return Ok(Receipt::Stale);
        };
        row.attempts = row.attempts.saturating_add(1);
        self.insert_attempt(&row, &end.attempt)?;
        let at = Wall(end.attempt.started_at.0 + end.attempt.duration_ms);
        let hour = self.lanes.hours.at(self.connection, row.owner, at)?;
        hour.attempted(&end.attempt);
        if end.stop_lane {
            let stopped = (signed(end.seq.0), row.id);
            self.lanes.read(self.connection, row.lane)?.stopped = Some(stopped);
            self.lanes.touch(row.lane);
        }
        if end.state.is_end() {
            self.end(&mut row, end.state, at)?;
        } else {
            row.state = end.state;
            self.write(&row)?;
            self.keep_due(end.lane.endpoint, &row)?;
        }
        if let Some(health) = end.health {
            self.write_health(end.lane.endpoint, health)?;
        }
        if let Some(reason) = end.disable {
            self.write_status(end.lane.endpoint, EndpointStatus::Disabled(reason))?;
        }
        Ok(Receipt::Applied)
    }

    fn insert_attempt(&self, row: &DeliveryRow, attempt: &Attempt) -> Result<(), StoreFault> {
        let (response, failure) = match &attempt.outcome {
            Outcome::Response(response) => (Some(response), None),
            Outcome::Failure(failure) => (None, Some(failure)),
        };
        let sent = &attempt.sent;
        let phases = sent.phases.as_ref();
        let keeping = self.keeping(row, attempt)?;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO postrider_attempt
                 (delivery, place, number, id, started_at, duration_ms, request_headers, status,
                  failure, detail, headers, body, body_cut, head_ms, url, queued_ms, dns_ms,
                  connect_ms, tls_ms, first_byte_ms, total_ms, sent_bytes, sent_keeper,
                  sent_attempt, sent_body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
                  ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)",
        )?;
        insert.execute(params![
            row.number,
            row.attempts,
            attempt.number,
            attempt.id.as_u128().to_be_bytes(),
            signed(attempt.started_at.0),
            signed(attempt.duration_ms),
            sent.headers.as_str(),
            response.map(|response| response.status),
            failure.map(|failure| rows::failure(failure.kind)),
            failure.map_or("", |failure| &failure.detail),
            rows::headers(response.map_or(&[], |response| &response.headers)),
            response.map_or(&[][..], |response| &response.body),
            rows::marks(&attempt.outcome),
            response.map_or(0, |response| signed(response.head_ms)),
            sent.url.as_deref(),
            phases.and_then(|phases| phases.queued_ms),
            phases.and_then(|phases| phases.dns_ms),
            phases.and_then(|phases| phases.connect_ms),
            phases.and_then(|phases| phases.tls_ms),
            phases.and_then(|phases| phases.first_byte_ms),
            phases.map(|phases| phases.total_ms),
            sent.body.as_ref().map(|body| signed(body.bytes)),
            keeping.delivery,
            keeping.attempt,
            keeping.body,
        ])?;
        Ok(())
    }

    /// A pending delivery ends.
    fn end(
        &mut self,
        row: &mut DeliveryRow,
        state: DeliveryState,
        at: Wall,
    ) -> Result<(), StoreFault> {
        row.state = state;
        row.ended_at = Some(signed(at.0));
        self.write(row)?;
        self.lanes.read(self.connection, row.lane)?;
        self.lanes.left(row.lane, state, row.bytes);
        self.lanes
            .hours
            .at(self.connection, row.owner, at)?
            .ended(state);
        Ok(())
    }

    fn delete_endpoint(
        &mut self,
        id: EndpointId,
        keep: &[DeliveryId],
        at: Wall,
    ) -> Result<Receipt, StoreFault> {
        let bytes = id.as_u128().to_be_bytes();
        self.leave_as_due(id)?;
        let lanes: Vec<i64> = self
            .connection
            .prepare_cached("SELECT number FROM postrider_lane WHERE endpoint = ?1")?
            .query_map([bytes], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for lane in lanes {
            self.lanes.read(self.connection, lane)?.stopped = None;
            self.lanes.touch(lane);
            self.discard_pending(lane, keep, |_, _| Ok(at))?;
        }
        self.connection
            .execute("DELETE FROM postrider_endpoint WHERE id = ?1", [bytes])?;
        Ok(Receipt::Applied)
    }

    /// Ends what was under way to endpoints that are gone: its result was to be recorded, and the
    /// process that would have recorded it has ended.
    pub(super) fn discard_orphans(&mut self) -> Result<(), StoreFault> {
        let lanes: Vec<i64> = self
            .connection
            .prepare_cached(
                "SELECT l.number FROM postrider_lane l
                 WHERE (l.pending > 0 OR l.stopped_at IS NOT NULL)
                   AND NOT EXISTS (SELECT 1 FROM postrider_endpoint e WHERE e.id = l.endpoint)",
            )?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for lane in lanes {
            // When its endpoint was deleted is not on record.
            self.discard_pending(lane, &[], |connection, row| {
                let mut published = connection
                    .prepare_cached("SELECT published_at FROM postrider_event WHERE number = ?1")?;
                let at: i64 = published.query_row([row.event], |row| row.get(0))?;
                Ok(Wall(rows::unsigned(at)?))
            })?;
        }
        Ok(())
    }

    /// Ends what has not ended in a lane, except some of it: however much it is, little of it is
    /// in memory at once.
    fn discard_pending(
        &mut self,
        lane: i64,
        keep: &[DeliveryId],
        at: impl Fn(&Connection, &DeliveryRow) -> Result<Wall, StoreFault>,
    ) -> Result<(), StoreFault> {
        let mut after = -1;
        loop {
            let rows = self.pending(lane, after)?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = last.seq;
            for mut row in rows {
                if !keep.contains(&DeliveryId::from_u128(row.id)) {
                    let at = at(self.connection, &row)?;
                    self.end(&mut row, DeliveryState::Discarded, at)?;
                }
            }
        }
    }

    /// The next ones that have not ended, after this place.
    fn pending(&self, lane: i64, after: i64) -> Result<Vec<DeliveryRow>, StoreFault> {
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {DELIVERY_COLUMNS} FROM postrider_delivery d
             WHERE d.lane = ?1 AND d.state <= 1 AND d.seq > ?2 ORDER BY d.seq LIMIT {AT_ONCE}"
        ))?;
        let mut rows = select.query([lane, after])?;
        let mut pending = Vec::new();
        while let Some(row) = rows.next()? {
            pending.push(DeliveryRow::read(row)?);
        }
        Ok(pending)
    }

    fn resend(
        &mut self,
        of: DeliveryId,
        (new, replay): (DeliveryId, Option<ReplayId>),
        at: Wall,
    ) -> Result<Receipt, StoreFault> {
        let Some(mut original) = self.delivery(of)? else {
            return Ok(Receipt::Refused(Refusal::NoSuchDelivery));
        };
        if !original.state.is_end() {
            return Ok(Receipt::Refused(Refusal::StillPending));
        }
        if replay.is_some() && self.replayed_by(&original)? == replay {
            return Ok(Receipt::Stale);
        }
        let placed = self.placed(&original)?;
        let endpoint = placed.lane.endpoint;
        let mut known = self
            .connection
            .prepare_cached("SELECT 1 FROM postrider_endpoint WHERE id = ?1")?;
        if !known.exists([endpoint.as_u128().to_be_bytes()])? {
            return Ok(Receipt::Refused(Refusal::NoSuchEndpoint(endpoint)));
        }
        let Spot { seq, ordinal } = self.enqueue(
            new,
            original.lane,
            (original.event, original.bytes),
            Some((Some(&original), replay)),
            at,
        )?;
        original.resent_as = Some(new.as_u128());
        self.write(&original)?;
        Ok(Receipt::Resent(Placed {
            delivery: new,
            seq,
            ordinal,
            ..placed
        }))
    }

    /// The replay that has made it anew, if that is how it was made anew last.
    fn replayed_by(&self, original: &DeliveryRow) -> Result<Option<ReplayId>, StoreFault> {
        let Some(by) = original.resent_as else {
            return Ok(None);
        };
        let by = self.delivery(DeliveryId::from_u128(by))?;
        Ok(by.and_then(|by| by.replay).map(ReplayId::from_u128))
    }

    fn discard(&mut self, id: DeliveryId, dead: bool, at: Wall) -> Result<Receipt, StoreFault> {
        let Some(mut row) = self.delivery(id)? else {
            return Ok(Receipt::Refused(Refusal::NoSuchDelivery));
        };
        let placed = self.placed(&row)?;
        let was_pending = match row.state {
            DeliveryState::Delivered | DeliveryState::Discarded => {
                return Ok(Receipt::Refused(Refusal::AlreadyEnded));
            }
            DeliveryState::Pending | DeliveryState::Retrying { .. } if dead => {
                return Ok(Receipt::Refused(Refusal::StillPending));
            }
            DeliveryState::Failed(_) if dead && row.resent_as.is_some() => {
                return Ok(Receipt::Refused(Refusal::AlreadyResent));
            }
            DeliveryState::Pending | DeliveryState::Retrying { .. } => {
                self.end(&mut row, DeliveryState::Discarded, at)?;
                true
            }
            DeliveryState::Failed(_) => {
                row.state = DeliveryState::Discarded;
                self.write(&row)?;
                self.lanes.gave_up_dead(row.lane, row.id);
                false
            }
        };
        Ok(Receipt::Discarded {
            placed,
            was_pending,
        })
    }

    /// Where a delivery stands.
    pub(super) fn placed(&mut self, row: &DeliveryRow) -> Result<Placed, StoreFault> {
        let mut select = self
            .connection
            .prepare_cached("SELECT id FROM postrider_event WHERE number = ?1")?;
        let event: [u8; 16] = select.query_row([row.event], |row| row.get(0))?;
        let lane = self.lanes.read(self.connection, row.lane)?;
        let (lane, epoch) = (lane.id.clone(), lane.epoch);
        Ok(Placed {
            delivery: DeliveryId::from_u128(row.id),
            event: EventId::from_u128(u128::from_be_bytes(event)),
            lane,
            seq: Seq(rows::unsigned(row.seq)?),
            ordinal: row.ordinal_in(epoch)?,
            payload_bytes: u32::try_from(row.bytes).unwrap_or(u32::MAX),
        })
    }
}
