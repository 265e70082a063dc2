PRAGMA application_id = 1096043600;
PRAGMA user_version = 2;
CREATE TABLE attempts (id TEXT PRIMARY KEY, run TEXT NOT NULL, loop INTEGER NOT NULL, number INTEGER NOT NULL,
                       open INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE commands (id INTEGER PRIMARY KEY, loop INTEGER NOT NULL, kind TEXT NOT NULL, payload BLOB NOT NULL,
                       actor TEXT NOT NULL, sent_at REAL NOT NULL, answered_at REAL, ok INTEGER, answer TEXT);
CREATE TABLE events (id INTEGER PRIMARY KEY, loop INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE loops (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, state TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE proposals (id INTEGER PRIMARY KEY, loop INTEGER NOT NULL, round INTEGER NOT NULL, status TEXT NOT NULL,
                        body BLOB NOT NULL);
CREATE TABLE rounds (loop INTEGER NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (loop, number));
CREATE TABLE runs (id TEXT PRIMARY KEY, loop INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
                   state TEXT NOT NULL, config_hash TEXT NOT NULL, body BLOB NOT NULL);
CREATE INDEX attempts_by_run ON attempts (run, number);
CREATE INDEX attempts_open ON attempts (loop, open);
CREATE INDEX commands_open ON commands (loop, answered_at);
CREATE INDEX events_by_loop ON events (loop, id);
CREATE INDEX proposals_by_loop ON proposals (loop, round);
CREATE INDEX runs_by_config ON runs (config_hash);
CREATE INDEX runs_by_loop ON runs (loop, round, position);
CREATE INDEX runs_by_state ON runs (loop, state, round, position);
INSERT INTO attempts VALUES ('6at49yu7-1', '6at49yu7', 1, 1, 0, CAST('{"id":"6at49yu7-1","run":"6at49yu7","number":1,"slot":0,"output_dir":"{PROJECT}/outputs/train/loop_1795724110/0_a_6at49yu7","directory":"{PROJECT}/.autoloop/attempts/6at49yu7-1","created_at":1795724112.5251505,"argv":["{PYTHON}","train.py","--config_path={PROJECT}/.autoloop/configs/6at49yu7.json","--steps=6","--output_dir={PROJECT}/outputs/train/loop_1795724110/0_a_6at49yu7"],"handle":{"pid":23385,"start_time":1484176,"boot_id":"00000000-0000-0000-0000-000000000000","host":"{HOST}"},"started_at":1795724112.591382,"ended_at":1795724112.9591322,"exit":{"code":0,"signal":null,"stopped_by":null,"error":null,"started_at":1795724112.7486439,"ended_at":1795724112.9591322},"stop_reason":null,"result":"finished","kill":false,"unstarted":false,"summary":null,"cause":null,"diagnosis":null}' AS BLOB));
INSERT INTO events VALUES (1, 1, CAST('{"id":1,"loop":1,"at":1795724111.827824,"kind":"loop started","text":"loop_1795724110: 1 runs, 1 round, 1 slot, output in {PROJECT}/outputs/train/loop_1795724110","run":null}' AS BLOB));
INSERT INTO events VALUES (2, 1, CAST('{"id":2,"loop":1,"at":1795724111.8279006,"kind":"note","text":"live rule diverged: at every step, stops the run","run":null}' AS BLOB));
INSERT INTO events VALUES (3, 1, CAST('{"id":3,"loop":1,"at":1795724111.8279314,"kind":"note","text":"live rule pi-vanished: steps 300–500, relaunches with ot.loss_config.reg@add=0.1 or ot.loss_config.tau_src@mul=2 ot.loss_config.tau_tgt@mul=2 in turn, at most 2 times (not reached in 6 steps)","run":null}' AS BLOB));
INSERT INTO events VALUES (4, 1, CAST('{"id":4,"loop":1,"at":1795724111.8279579,"kind":"note","text":"live rule sinkhorn-warning: at every step, relaunches with ot.loss_config.reg@max=0.5 or ot.loss_config.tau_src@mul=2 ot.loss_config.tau_tgt@mul=2 or ot.loss_config.features.*.weight_label@mul=0.5 ot.lambda_ot@mul=0.7 in turn, at most 3 times","run":null}' AS BLOB));
INSERT INTO events VALUES (5, 1, CAST('{"id":5,"loop":1,"at":1795724111.8279808,"kind":"note","text":"live rule grad-norm-exploding: from step 100, stops the run (not reached in 6 steps)","run":null}' AS BLOB));
INSERT INTO events VALUES (6, 1, CAST('{"id":6,"loop":1,"at":1795724112.591604,"kind":"run started","text":"a (6at49yu7) started on cpu 0","run":"6at49yu7"}' AS BLOB));
INSERT INTO events VALUES (7, 1, CAST('{"id":7,"loop":1,"at":1795724112.991883,"kind":"run ended","text":"a (6at49yu7) finished after 0 s at step 6","run":"6at49yu7"}' AS BLOB));
INSERT INTO events VALUES (8, 1, CAST('{"id":8,"loop":1,"at":1795724113.011658,"kind":"round ended","text":"round 1 ended: 1 of 1 runs finished","run":null}' AS BLOB));
INSERT INTO events VALUES (9, 1, CAST('{"id":9,"loop":1,"at":1795724113.0443463,"kind":"loop ended","text":"loop_1795724110 finished: its round is done","run":null}' AS BLOB));
INSERT INTO loops VALUES (1, 'loop_1795724110', 'finished', CAST('{"id":1,"name":"loop_1795724110","state":"finished","spec":{"configs":["{PROJECT}/a.json"],"steps":6,"log_freq":1,"eval_freq":2,"device":"cpu","gpus":[],"gpus_per_run":1,"allow_busy":false,"concurrency":1,"extra":[],"wandb":{"online":false,"entity":null,"project":null,"later":false},"formal":false,"rounds":1,"variants_per_run":2,"decide":false,"approve":"auto","grace":10.0,"until":null,"rules":null,"live":true,"preset":"{PROJECT}/resuming.toml","python":"{PYTHON}","train_script":null,"cwd":"{PROJECT}","retries":0,"name":"extended","output_root":"{PROJECT}/outputs/train","summary_out":"{PROJECT}/reports/data/autorun_summary.json","markdown_out":"{PROJECT}/reports/act_ot.md","inherit_dataset_from":null,"max_hours":null,"max_runs":null,"quiet_hours":null},"output_dir":"{PROJECT}/outputs/train/loop_1795724110","created_at":1795724110.9359553,"ended_at":1795724113.0199392,"reason":"its round is done","paused":false,"waits_for":null,"held":false,"deadline":null,"max_runs":null,"resumed_at":null,"slot_waits":{},"winner":null}' AS BLOB));
INSERT INTO rounds VALUES (1, 1, CAST('{"loop":1,"number":1,"state":"done","started_at":1795724110.9359553,"ended_at":1795724113.0196328,"decide_by":null,"start_at":null,"start_asked":false}' AS BLOB));
INSERT INTO runs VALUES ('6at49yu7', 1, 1, 0, 'finished', '8fad8abb036347d6', CAST('{"id":"6at49yu7","loop":1,"round":1,"position":0,"name":"a","config_path":"{PROJECT}/.autoloop/configs/6at49yu7.json","source_path":"{PROJECT}/a.json","config_hash":"8fad8abb036347d6","state":"finished","reason":null,"base_run":null,"proposal":null,"changes":[],"attempts":1,"slot":null,"output_dir":"{PROJECT}/outputs/train/loop_1795724110/0_a_6at49yu7","step":6,"total_steps":6,"resume":false,"summary":{"metrics":{"train/l1_loss":{"first":1.0,"last":0.16666666666666666,"best":0.16666666666666666,"best_step":6,"delta":-0.8333333333333334,"pct":-83.33333333333334,"n":6,"min":0.16666666666666666,"max":1.0,"tail_mean":0.20555555555555557,"tail_mad":0.033333333333333354,"first_step":1,"last_step":6,"nan":0,"inf":0}},"steps":6,"not_finite":[]},"wandb_url":null,"wandb_sync":null,"created_at":1795724110.9359553,"started_at":1795724112.5251505,"ended_at":1795724112.9591322}' AS BLOB));
