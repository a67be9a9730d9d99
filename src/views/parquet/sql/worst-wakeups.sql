-- The ten tasks of each guest that waited longest after a wake-up, with who woke them then.
-- DuckDB: set variable tables = 'DIR';
select guest, tid, max_by(comm, dur) as comm, count(*) as wakeups, quantile_disc(dur, 0.99) as p99_ns, max(dur) as max_ns,
       max_by(ts, dur) as at, max_by(cpu, dur) as cpu, max_by(coalesce(waker_irq, waker_comm), dur) as woken_by
from read_parquet(getvariable('tables') || '/wakeup/*/*/*/*.parquet', union_by_name = true,
                  hive_types = {'date': date, 'host': varchar, 'guest': varchar})
where not cut
group by guest, tid
qualify row_number() over (partition by guest order by max_ns desc, tid) <= 10
order by guest, max_ns desc, tid;
