"""The statements of `volume.py`: units, mailboxes, moves and mails of an invented campaign, made by the database.

A number `r` from 0 to 99 says what becomes of each mailbox: 0 mail 1 fails, 1 mail 2 comes back, 2 mail 3 is held,
3 its night fails, 4 it is put back on the old server, 5 its unit closes first, 6 its latest mail is still queued, 8 a
person paused it; with the others all goes well.
"""

UNITS = """
    INSERT INTO accounts_organisation (kind, fase, name, network, unit_types, levels, bce, address, postal_code,
        locality, municipality, zone, district, po_id, origin, phone, phone_source, phone_recorded_by, search_key)
    SELECT %(kind)s, i + 1, s.name || ' ' || (i + 1), n.network, s.types, s.levels, '',
        'rue inventée ' || (i + 1), '0000', upper(t.name), t.name, t.zone, 'Arrondissement inventé', p.id, 'register',
        '', '', '', s.folded || ' ' || (i + 1) || ' ' || t.folded
    FROM generate_series(0, %(count)s - 1) AS i
    LEFT JOIN accounts_organisation p ON %(kind)s = 'ec' AND p.kind = 'po' AND p.fase = mod(i, %(pos)s) + 1
    JOIN volume_name s ON s.kind = %(kind)s AND s.n = mod(i / 3 + i, %(names)s)
    JOIN volume_town t ON t.n = mod(mod(i, %(pos)s) * 7, %(towns)s)
    JOIN volume_network n ON n.n = mod(mod(i, %(pos)s), %(networks)s)
    ORDER BY i;
    INSERT INTO accounts_mailbox (organisation_id, address, confirmed_on)
    SELECT id, kind || lpad(fase::text, 6, '0') || '@adm.cfwb.be', CASE WHEN mod(fase, 10) > 0 THEN %(today)s::date END
    FROM accounts_organisation WHERE kind = %(kind)s ORDER BY id;
"""

MOVES = """
    CREATE TEMPORARY TABLE volume_move AS
    SELECT nextval(pg_get_serial_sequence('migration_move', 'id')) AS id, x.*,
        CASE WHEN x.r = 0 THEN 1 WHEN x.r = 1 THEN 2 WHEN x.r = 2 THEN 3
             WHEN x.r = 5 AND x.over THEN 0
             WHEN x.r = 6 AND NOT x.over AND x.due BETWEEN 1 AND 3 THEN x.due
             WHEN x.paused AND x.r >= 40 THEN x.due ELSE 5 END AS stop,
        CASE WHEN x.r = 0 THEN 'failed' WHEN x.r = 1 THEN 'bounced' WHEN x.r = 6 THEN 'queued' ELSE 'held' END AS how
    FROM (
        SELECT m.id AS mailbox, m.address, o.id AS unit, b.id AS batch, b.kind, b.over, b.paused, b.due, b.night_on,
            b.m1, b.m2, b.m3, b.m4, b.result, (o.fase - 1) / b.batches + 1 AS position, mod(o.fase * 37, 100) AS r
        FROM accounts_mailbox m JOIN accounts_organisation o ON o.id = m.organisation_id
        JOIN volume_batch b ON b.kind = o.kind AND b.n = mod(o.fase - 1, b.batches)
    ) AS x ORDER BY x.batch, x.position;
    ALTER TABLE volume_move ADD COLUMN status text;
    UPDATE volume_move SET status = CASE WHEN NOT over THEN 'planned' WHEN r = 3 THEN 'failed'
        WHEN r = 4 THEN 'rolled_back' WHEN r = 5 THEN 'cancelled' WHEN stop <= 3 THEN 'postponed' ELSE 'migrated' END;
    ANALYZE volume_move;
    UPDATE accounts_organisation o SET closed_on = v.night_on - 10 FROM volume_move v
    WHERE v.unit = o.id AND v.status = 'cancelled';
    UPDATE accounts_organisation o SET successor_id = s.id FROM accounts_organisation s
    WHERE o.closed_on IS NOT NULL AND mod(o.fase, 2) = 0 AND s.kind = o.kind AND s.fase = o.fase + 1
        AND s.closed_on IS NULL;
    INSERT INTO migration_move (id, batch_id, mailbox_id, position, status, migrated_at, failure, signed_by,
        rolled_back_at, announced_night, paused_at, paused_by, paused_why, on_old_server, on_new_server, size_mb,
        checked_at, skipped_items, skipped_note, skipped_by)
    SELECT id, batch, mailbox, position, status,
        CASE WHEN status IN ('migrated', 'rolled_back')
             THEN m4 + interval '4 hours' + position * interval '1 second' END,
        CASE WHEN status = 'failed' THEN 'Panne inventée : la boîte était verrouillée.' ELSE '' END, '',
        CASE WHEN status = 'rolled_back' THEN result END,
        CASE WHEN due > 0 AND stop > 1 THEN night_on END,
        CASE WHEN held THEN %(at)s - interval '1 day' END, CASE WHEN held THEN 'sgne' ELSE '' END,
        CASE WHEN held THEN 'La direction est absente (inventé).' ELSE '' END,
        CASE WHEN over THEN true END, CASE WHEN over THEN true END,
        CASE WHEN over THEN 2 + mod(position * 31, 78) END, CASE WHEN over THEN m4 - interval '4 hours' END, 0, '', ''
    FROM (SELECT *, r = 8 AND NOT over AND due > 0 AS held FROM volume_move) AS v ORDER BY id;
"""

# Those whose night did not come to its end have a second passage, which nobody has approved yet
SECOND = """
    INSERT INTO volume_move (id, mailbox, address, batch, kind, over, paused, due, night_on, m1, m2, m3, m4, result,
        position, r, stop, how, status)
    SELECT nextval(pg_get_serial_sequence('migration_move', 'id')), v.mailbox, v.address, b.id, b.kind, false, false,
        0, b.night_on, b.m1, b.m2, b.m3, b.m4, b.result, row_number() OVER (PARTITION BY b.id ORDER BY v.id),
        CASE WHEN v.status = 'postponed' THEN 100 ELSE 101 END, 5, '', 'planned'
    FROM volume_move v JOIN volume_batch b ON b.kind = v.kind AND b.n = -1
    WHERE v.status IN ('failed', 'rolled_back', 'postponed');
    INSERT INTO migration_move (id, batch_id, mailbox_id, position, status, failure, signed_by, paused_by, paused_why,
        skipped_items, skipped_note, skipped_by)
    SELECT id, batch, mailbox, position, 'planned', '', '', '', '', 0, '', '' FROM volume_move WHERE r >= 100
    ORDER BY id;
"""

MAILS = """
    CREATE TEMPORARY TABLE volume_mail AS
    SELECT nextval(pg_get_serial_sequence('migration_mailing', 'id')) AS id,
        CASE WHEN state IN ('sent', 'failed', 'bounced', 'queued')
             THEN nextval(pg_get_serial_sequence('mail_outgoingmail', 'id')) END AS mail, x.*
    FROM (
        SELECT v.id AS move, v.mailbox, v.address, v.position, d.step, d.due_at,
            least(d.due_at + v.position * interval '50 milliseconds', %(at)s) AS moment,
            CASE WHEN d.due_at > %(at)s OR d.step > v.stop THEN ''
                 WHEN d.step < v.stop THEN 'sent'
                 WHEN v.how <> 'held' OR d.due_at < %(at)s - interval '3 days' THEN v.how ELSE '' END AS state
        FROM volume_move v
        CROSS JOIN LATERAL (VALUES (1, v.m1), (2, v.m2), (3, v.m3), (4, v.m4)) AS d (step, due_at)
        WHERE v.r <= 100 OR d.step > 2
    ) AS x ORDER BY x.due_at, x.move;
    INSERT INTO mail_outgoingmail (id, key, uuid, message_id, code, kind, object_id, stream, sender, "to", cc, bcc,
        reply_to, subject, text, html, headers, sensitive, status, queued_at, sent_at, proof, bounced_at,
        delivery_code, delivery_text, ews_id, ews_changekey, attempts, last_error, last_code)
    SELECT x.mail, 'mailing:' || x.id, x.uuid, '<' || x.uuid || '@portail.bma.cfwb.be>',
        substr(x.signs, 1, 4) || '-' || substr(x.signs, 5, 4) || '-' || substr(x.signs, 9, 4), w.kind, x.id,
        'mailbox:' || x.mailbox, w.sender, ARRAY[x.address], '{}', '{}', '{}', w.subject,
        CASE WHEN w.sensitive THEN '' ELSE w.body || E'\n\n' || x.address END,
        CASE WHEN w.sensitive THEN '' ELSE '<p>' || w.body || '</p><p>' || x.address || '</p>' END,
        '{}', w.sensitive, CASE x.state WHEN 'bounced' THEN 'sent' ELSE x.state END, x.due_at,
        CASE WHEN x.state IN ('sent', 'bounced') THEN x.moment END,
        CASE WHEN x.state IN ('sent', 'bounced') THEN 'answer' ELSE '' END,
        CASE WHEN x.state = 'bounced' THEN least(x.moment + interval '10 minutes', %(at)s) END,
        CASE WHEN x.state = 'bounced' THEN '5.1.1' ELSE '' END,
        CASE WHEN x.state = 'bounced' THEN 'Cette boîte n’existe pas (inventé).' ELSE '' END, '', '',
        CASE x.state WHEN 'failed' THEN 3 WHEN 'queued' THEN 1 ELSE 0 END,
        CASE x.state WHEN 'failed' THEN 'Exchange refuse cette adresse (inventé).'
                     WHEN 'queued' THEN 'Exchange était occupé (inventé).' ELSE '' END,
        CASE x.state WHEN 'failed' THEN 'ErrorInvalidRecipients' WHEN 'queued' THEN 'ErrorServerBusy' ELSE '' END
    FROM (SELECT *, gen_random_uuid() AS uuid, upper(substr(replace(gen_random_uuid()::text, '-', ''), 1, 12)) AS signs
          FROM volume_mail WHERE mail IS NOT NULL) AS x JOIN volume_step w ON w.step = x.step ORDER BY x.mail;
    INSERT INTO migration_mailing (id, move_id, step, due_at, mail_id, text_id, held_at, held_why)
    SELECT x.id, x.move, x.step, x.due_at, x.mail,
        CASE WHEN x.mail IS NOT NULL THEN (SELECT max(t.id) FROM migration_mailtext t
            WHERE t.step = x.step AND t.status = 'approved') END,
        CASE WHEN x.state = 'held' THEN least(x.due_at + interval '3 days 1 hour', %(at)s) END,
        CASE WHEN x.state = 'held'
             THEN 'En retard de plus de 3 jours : décidez de l''envoyer ou de replanifier.' ELSE '' END
    FROM volume_mail x ORDER BY x.id;
"""

# A password for each mailbox whose mail 2 was to leave; those that must still be recalled are sealed by Python
PASSWORDS = """
    CREATE TEMPORARY TABLE volume_password AS
    SELECT x.mailbox, gen_random_uuid() AS uuid, x.due_at - interval '1 hour' AS issued_at, v.over, v.result,
        c.moment AS recalled_at
    FROM volume_mail x JOIN volume_move v ON v.id = x.move
    LEFT JOIN volume_mail c ON c.move = x.move AND c.step = 4 AND c.state = 'sent'
    WHERE x.step = 2 AND x.mail IS NOT NULL;
    INSERT INTO accounts_credential (mailbox_id, uuid, purpose, sealed, issued_at, applied_at, destroyed_at,
        destroyed_why, attempts, last_error)
    SELECT mailbox, uuid, 'migration', '', issued_at, issued_at + interval '5 minutes', coalesce(recalled_at, result),
        CASE WHEN recalled_at IS NULL THEN 'boîte reportée' ELSE %(recalled)s END, 0, ''
    FROM volume_password WHERE over OR recalled_at IS NOT NULL;
"""
SEALED = """
    INSERT INTO accounts_credential (mailbox_id, uuid, purpose, sealed, issued_at, applied_at, destroyed_why, attempts,
        last_error)
    SELECT p.mailbox, p.uuid, 'migration', s.sealed, p.issued_at, p.issued_at + interval '5 minutes', '', 0, ''
    FROM volume_password p JOIN volume_sealed s ON s.uuid = p.uuid;
"""

JOURNAL = """
    INSERT INTO bma_portal_statechange (object_type, object_id, old, new, by, at, note)
    SELECT 'migration.batch', b.id, c.old, c.new, c.by, c.at, c.note
    FROM volume_batch b CROSS JOIN LATERAL (VALUES
        (1, b.status <> 'draft', 'draft', 'approved', 'sgne',
            least(b.m1 - interval '20 days', %(at)s), ''),
        (2, b.due > 0, 'approved', 'running', 'portail', b.m1, ''),
        (3, b.paused, 'running', 'paused', 'sgne', b.m2 + interval '1 hour', 'Le Service Desk est débordé (inventé).'),
        (4, b.over, 'running', (SELECT status FROM migration_batch WHERE id = b.id), 'portail', b.result, '')
    ) AS c (n, done, old, new, by, at, note) WHERE c.done ORDER BY c.at, c.n;
    INSERT INTO bma_portal_statechange (object_type, object_id, old, new, by, at, note)
    SELECT 'migration.move', v.id, 'planned', CASE v.status WHEN 'rolled_back' THEN 'migrated' ELSE v.status END,
        CASE WHEN v.status IN ('postponed', 'cancelled') THEN 'sgne' ELSE 'etnic' END, v.m4 + interval '10 hours',
        CASE v.status WHEN 'cancelled' THEN 'L’unité a fermé (inventé).'
            WHEN 'postponed' THEN 'Un mail n’est pas arrivé (inventé).' ELSE '' END
    FROM volume_move v WHERE v.status <> 'planned' ORDER BY v.id;
    INSERT INTO bma_portal_statechange (object_type, object_id, old, new, by, at, note)
    SELECT 'migration.move', id, 'migrated', 'rolled_back', 'sgne', result, 'Des dossiers manquaient (inventé).'
    FROM volume_move WHERE status = 'rolled_back' ORDER BY id;
    INSERT INTO migration_mailboxnote (mailbox_id, text, by, at)
    SELECT m.id, (%(notes)s::text[])[mod(m.id, 3) + 1], 'sgne', %(at)s - interval '30 days'
    FROM accounts_mailbox m WHERE mod(m.id, 50) = 0 ORDER BY m.id;
"""
ENDED = """
    UPDATE migration_batch b SET status = 'finished_errors'
    WHERE b.status = 'finished' AND b.campaign_id = %(campaign)s
        AND EXISTS (SELECT FROM migration_move m WHERE m.batch_id = b.id AND m.status IN ('failed', 'rolled_back'));
"""
DROPPED = """
    DROP TABLE volume_town, volume_name, volume_network, volume_step, volume_batch, volume_move, volume_mail,
        volume_password, volume_sealed
"""
ANALYZED = """
    ANALYZE accounts_organisation; ANALYZE accounts_mailbox; ANALYZE accounts_credential; ANALYZE migration_batch;
    ANALYZE migration_move; ANALYZE migration_mailing; ANALYZE migration_mailboxnote; ANALYZE mail_outgoingmail;
    ANALYZE bma_portal_statechange
"""
