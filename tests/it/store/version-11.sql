PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE postrider_attempt (
    delivery INTEGER NOT NULL,
    place INTEGER NOT NULL,
    number INTEGER NOT NULL,
    id BLOB NOT NULL,
    started_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    request_headers TEXT NOT NULL,
    status INTEGER,
    failure INTEGER,
    detail TEXT NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    body_cut INTEGER NOT NULL,
    head_ms INTEGER NOT NULL, url TEXT, queued_ms INTEGER, dns_ms INTEGER, connect_ms INTEGER, tls_ms INTEGER, first_byte_ms INTEGER, total_ms INTEGER, sent_bytes INTEGER, sent_keeper INTEGER, sent_attempt BLOB, sent_body BLOB,
    PRIMARY KEY (delivery, place)
) STRICT, WITHOUT ROWID;
INSERT INTO "postrider_attempt" VALUES(1,1,1,X'000000000000000000000000000003E9',2001,15,'',204,NULL,'','[["x-request-id","r1"]]',X'',4,12,'https://example.com/1',NULL,NULL,NULL,NULL,NULL,NULL,5,1,X'000000000000000000000000000003E9',X'5B312C305D');
INSERT INTO "postrider_attempt" VALUES(2,1,1,X'000000000000000000000000000007D1',2001,15,'',NULL,9,'it broke off','[]',X'',4,0,'https://example.com/1',NULL,NULL,NULL,NULL,NULL,NULL,5,2,X'000000000000000000000000000007D1',X'5B322C305D');
INSERT INTO "postrider_attempt" VALUES(4,1,1,X'00000000000000000000000000000FA1',2001,15,'',NULL,9,'it broke off','[]',X'',4,0,'https://example.com/1',NULL,NULL,NULL,NULL,NULL,NULL,5,4,X'00000000000000000000000000000FA1',X'5B342C305D');
CREATE TABLE postrider_audit (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL CHECK (length(id) = 16),
    tenant TEXT,
    target TEXT,
    value BLOB NOT NULL
) STRICT;
CREATE TABLE postrider_backfill (
    event INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    delivery BLOB NOT NULL,
    replay BLOB NOT NULL,
    PRIMARY KEY (event, owner)
) STRICT, WITHOUT ROWID;
CREATE TABLE postrider_delivery (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    event INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    state INTEGER NOT NULL,
    detail INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    ended_at INTEGER,
    resend_of BLOB,
    resent_as BLOB,
    replay BLOB,
    checksum INTEGER NOT NULL
, ordinal INTEGER) STRICT;
INSERT INTO "postrider_delivery" VALUES(1,X'00000000000000000000000000000001',1,1,1,1,7,2,0,1,2016,NULL,NULL,NULL,101396981,1);
INSERT INTO "postrider_delivery" VALUES(2,X'00000000000000000000000000000002',2,1,1,2,7,1,2400000,1,NULL,NULL,NULL,NULL,2353552186,2);
INSERT INTO "postrider_delivery" VALUES(3,X'00000000000000000000000000000003',3,1,1,3,2,0,0,0,NULL,NULL,NULL,NULL,1407834446,3);
INSERT INTO "postrider_delivery" VALUES(4,X'00000000000000000000000000000004',4,1,2,1,7,3,0,1,2016,NULL,NULL,NULL,390559758,1);
CREATE TABLE postrider_due (
    endpoint BLOB PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE postrider_due_kept (
    delivery INTEGER PRIMARY KEY,
    endpoint BLOB NOT NULL
) STRICT;
CREATE TABLE postrider_endpoint (
    id BLOB PRIMARY KEY NOT NULL,
    tenant TEXT NOT NULL,
    spec TEXT NOT NULL,
    secrets BLOB NOT NULL,
    status INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    failing_since INTEGER,
    open_until INTEGER,
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL
, held_until INTEGER) STRICT, WITHOUT ROWID;
INSERT INTO "postrider_endpoint" VALUES(X'00000000000000000000000000000009','default','{"tenant":"default","url":"https://example.com/hooks","event_types":["*"],"headers":[],"fifo":true,"stop_on_failed":false,"timeout_ms":30000,"retry":{"schedule":{"exponential":{"first_ms":5000,"factor":4.0,"cap_ms":3600000,"retries":5}},"jitter_percent":20,"retry_after_max_ms":3600000,"also_retry":[408,425,429]},"concurrency":16,"rate_limit":null,"breaker":{"failures":10,"cooldown_ms":30000,"cooldown_max_ms":600000},"disable_after_ms":432000000,"metadata":"{}","payload_form":"raw","signatures":[{"scheme":"postrider"}]}',X'01DA0565582925586D2C5BB5163A4227F8C5851789ED85B791FDE8E9AA8C9CB0B5C7D74B76496565DC8FF9544C91BDCF3371ECB3B9A570DE384B02B9BB62AAE3D3288B4F6457AC2EE895E5B1237C48CA55975FDE31AAEE7A04EDD413030FFC3061D164CDFFAEC9055B098EA8A33DEC66A17FA0316B1934BB6352D99BAFCF0D756DC76D31',0,0,NULL,NULL,1,1,9000000000000);
CREATE TABLE postrider_event (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    tenant TEXT NOT NULL,
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    published_at INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    idempotency TEXT,
    payload BLOB NOT NULL,
    checksum INTEGER NOT NULL
, media_type TEXT, coding TEXT, addressed INTEGER NOT NULL DEFAULT 0, headers TEXT) STRICT;
INSERT INTO "postrider_event" VALUES(1,X'00000000000000000000000000000001','default','payment.succeeded','',1000,1,1,NULL,X'7B226E223A317D',2635386,NULL,NULL,0,NULL);
INSERT INTO "postrider_event" VALUES(2,X'00000000000000000000000000000002','default','payment.succeeded','',1000,2,1,NULL,X'7B226E223A327D',3794894516,NULL,NULL,0,NULL);
INSERT INTO "postrider_event" VALUES(3,X'00000000000000000000000000000003','default','payment.succeeded','',1000,3,1,'order-3',X'7B7D',4025576045,NULL,NULL,0,NULL);
INSERT INTO "postrider_event" VALUES(4,X'00000000000000000000000000000004','default','payment.succeeded','customer-7',1000,4,1,NULL,X'7B226E223A347D',1776930607,NULL,NULL,0,NULL);
CREATE TABLE postrider_hour (
    owner INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    discarded INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    attempts_failed INTEGER NOT NULL,
    latency BLOB NOT NULL,
    PRIMARY KEY (owner, hour)
) STRICT, WITHOUT ROWID;
INSERT INTO "postrider_hour" VALUES(1,0,4,1,1,0,3,2,X'1C8493130000000200000000000000020000000000000001000000000036EE803FF00000000000001D06');
CREATE TABLE postrider_idempotency (
    tenant TEXT NOT NULL,
    key TEXT NOT NULL,
    digest BLOB NOT NULL,
    event BLOB NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "postrider_idempotency" VALUES('default','order-3',X'0303030303030303030303030303030303030303030303030303030303030303',X'00000000000000000000000000000003');
CREATE TABLE postrider_lane (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    owner INTEGER NOT NULL,
    endpoint BLOB NOT NULL,
    key TEXT NOT NULL,
    tail INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    stopped_seq INTEGER,
    stopped_at BLOB
, epoch INTEGER NOT NULL DEFAULT 0, numbered INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "postrider_lane" VALUES(1,1,X'00000000000000000000000000000009','',3,2,3,NULL,NULL,1000,3);
INSERT INTO "postrider_lane" VALUES(2,1,X'00000000000000000000000000000009','customer-7',1,0,1,1,X'00000000000000000000000000000004',1000,1);
CREATE TABLE postrider_meta (
    name TEXT PRIMARY KEY NOT NULL,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "postrider_meta" VALUES('commits',3);
INSERT INTO "postrider_meta" VALUES('version',11);
CREATE TABLE postrider_outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL CHECK (length(id) = 16),
    tenant TEXT NOT NULL,
    endpoint BLOB CHECK (length(endpoint) = 16),
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    idempotency TEXT,
    payload BLOB NOT NULL,
    refused TEXT
, not_before INTEGER, digest BLOB CHECK (length(digest) = 32), media_type TEXT, coding TEXT, headers TEXT) STRICT;
INSERT INTO "postrider_outbox" VALUES(1,X'00000000000000000000000000000005','default',NULL,'reminder.due','','order-5',X'7B226E223A357D',NULL,9000000,X'396DA936EF66D50C7493DC5CB31B020296660993527FD45E8A032B036E334EA0',NULL,NULL,NULL);
CREATE TABLE postrider_owner (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint BLOB NOT NULL,
    accepted INTEGER NOT NULL DEFAULT 0,
    pending INTEGER NOT NULL DEFAULT 0,
    pending_bytes INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    discarded INTEGER NOT NULL DEFAULT 0
, tenant TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "postrider_owner" VALUES(1,X'00000000000000000000000000000009',4,2,9,1,1,0,'default');
CREATE TABLE postrider_record (
    kind TEXT NOT NULL,
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (kind, tenant, id)
) STRICT, WITHOUT ROWID;
INSERT INTO "postrider_record" VALUES('key','default','a',X'01DA0565582925586D097CF18A688138781D9FC1899ECC8C2EFC0709822ECB05D39B651DA62E69771EF4D2FFD3E024B6E0ED3B93F925EB');
CREATE TABLE postrider_replay (
    id BLOB PRIMARY KEY NOT NULL,
    request TEXT NOT NULL,
    state INTEGER NOT NULL,
    after BLOB,
    resent INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    created_at INTEGER NOT NULL
, tenant TEXT, total INTEGER, discarded INTEGER NOT NULL DEFAULT 0, skipped_by TEXT NOT NULL DEFAULT '{}', ended_at INTEGER, page_until BLOB, page_due INTEGER, made INTEGER NOT NULL DEFAULT 0, after_event INTEGER) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX postrider_owner_endpoint ON postrider_owner (endpoint);
CREATE UNIQUE INDEX postrider_lane_name ON postrider_lane (endpoint, key);
CREATE UNIQUE INDEX postrider_event_id ON postrider_event (id);
CREATE INDEX postrider_event_for_nobody ON postrider_event (published_at) WHERE count = 0;
CREATE UNIQUE INDEX postrider_delivery_id ON postrider_delivery (id);
CREATE INDEX postrider_delivery_owner ON postrider_delivery (owner, id);
CREATE INDEX postrider_delivery_resend ON postrider_delivery (event)
    WHERE resend_of IS NOT NULL;
CREATE INDEX postrider_delivery_pending ON postrider_delivery (lane, seq, state)
    WHERE state <= 1;
CREATE INDEX postrider_delivery_retrying ON postrider_delivery (lane, seq) WHERE state = 1;
CREATE INDEX postrider_delivery_dead ON postrider_delivery (owner, id) WHERE state = 3;
CREATE INDEX postrider_delivery_ended ON postrider_delivery (ended_at)
    WHERE state > 1 AND state <> 3;
CREATE INDEX postrider_delivery_failed ON postrider_delivery (ended_at) WHERE state = 3;
CREATE INDEX postrider_hour_age ON postrider_hour (hour);
CREATE UNIQUE INDEX postrider_outbox_id ON postrider_outbox (id);
CREATE INDEX postrider_owner_tenant ON postrider_owner (tenant);
CREATE INDEX postrider_endpoint_tenant ON postrider_endpoint (tenant);
CREATE INDEX postrider_event_tenant ON postrider_event (tenant);
CREATE INDEX postrider_delivery_letter ON postrider_delivery (owner, detail, id, state, resent_as)
    WHERE state = 3 AND resent_as IS NULL;
CREATE INDEX postrider_delivery_oldest ON postrider_delivery (number) WHERE state <= 1;
CREATE INDEX postrider_lane_live ON postrider_lane (endpoint, key)
    WHERE pending > 0 OR stopped_at IS NOT NULL;
CREATE INDEX postrider_outbox_waiting ON postrider_outbox (number)
    WHERE refused IS NULL AND not_before IS NULL;
CREATE INDEX postrider_outbox_due ON postrider_outbox (not_before, number)
    WHERE refused IS NULL AND not_before IS NOT NULL;
CREATE INDEX postrider_outbox_scheduled ON postrider_outbox (tenant, not_before, number)
    WHERE not_before IS NOT NULL;
CREATE INDEX postrider_outbox_key ON postrider_outbox (tenant, idempotency)
    WHERE not_before IS NOT NULL AND idempotency IS NOT NULL;
CREATE INDEX postrider_replay_tenant ON postrider_replay (tenant, id);
CREATE INDEX postrider_replay_running ON postrider_replay (id) WHERE state = 0;
CREATE UNIQUE INDEX postrider_audit_id ON postrider_audit (id);
CREATE INDEX postrider_audit_tenant ON postrider_audit (tenant, id);
CREATE INDEX postrider_audit_target ON postrider_audit (target, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('postrider_owner',1);
INSERT INTO "sqlite_sequence" VALUES('postrider_lane',2);
INSERT INTO "sqlite_sequence" VALUES('postrider_outbox',1);
COMMIT;
