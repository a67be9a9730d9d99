-- Steal of each vCPU as its host saw it: of the time in which it wanted to run, how much it waited, and for whom most.
-- DuckDB: set variable tables = 'DIR';
with slices as (
  from read_parquet(getvariable('tables') || '/vcpu_slice/*/*/*/*.parquet', union_by_name = true,
                    hive_types = {'date': date, 'host': varchar, 'guest': varchar})
), thieves as (
  select host, guest, vcpus, by_comm, sum(dur) as ns
  from slices
  where state = 'waiting' and by_tid != 0
  group by all
)
select host, guest, vcpus, sum(dur) filter (state = 'running') as run_ns,
       coalesce(sum(dur) filter (state = 'waiting'), 0) as wait_ns,
       round(100 * wait_ns / (coalesce(run_ns, 0) + wait_ns), 1) as steal_percent,
       count(*) filter (cause = 'preempted') as preemptions,
       (select max_by(by_comm, ns) from thieves t where (t.host, t.guest, t.vcpus) = (s.host, s.guest, s.vcpus)) as mostly_by
from slices s
group by host, guest, vcpus
order by host, guest, vcpus;
