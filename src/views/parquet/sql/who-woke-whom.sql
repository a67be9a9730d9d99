-- Pairs of waker and woken task by guest, the most frequent first. A wake-up out of an interrupt is the interrupt's.
-- DuckDB: set variable tables = 'DIR';
select guest, coalesce(waker_irq, waker_comm) as waker, comm as woken, count(*) as wakeups,
       quantile_disc(dur, 0.99) as p99_ns, max(dur) as max_ns
from read_parquet(getvariable('tables') || '/wakeup/*/*/*/*.parquet', union_by_name = true,
                  hive_types = {'date': date, 'host': varchar, 'guest': varchar})
group by all
order by guest, wakeups desc, waker, woken;
