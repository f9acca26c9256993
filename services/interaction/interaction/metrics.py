"""What this service counts; registered once per process."""

from prometheus_client import Counter, Histogram

RECORDED = Counter("interactions_recorded", "Interactions written to the log", ["backfill"])
DUPLICATES = Counter("interactions_duplicate", "Interactions that were already in the log")
DIFFERING = Counter("interactions_differing", "Duplicates whose body was not the one that came first")
WRITER_BATCH = Histogram(
    "interactions_writer_batch_size", "Interactions committed together", buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500)
)
