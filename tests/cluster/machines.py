# SPDX-License-Identifier: Apache-2.0
"""Airflow on several machines: two Celery workers and two triggerers, each with folders of its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from airflow_provider_clarus.demo.local_airflow import COMPONENTS, LocalAirflow
from airflow_provider_clarus.demo.processes import BackgroundProcess
from tests.integration.landing.stores import free_ports

WORKERS = ("worker-1", "worker-2")
TRIGGERERS = ("triggerer-1", "triggerer-2")


class Cluster(LocalAirflow):
    """PostgreSQL, Redis, Celery: what is shared between machines is shared by these alone."""

    def __init__(
        self,
        home: Path,
        *,
        database: str,
        broker: str,
        dags_folder: Path,
        env: Mapping[str, str],
        slots: int = 4,
    ) -> None:
        """Take a folder for all machines, URLs of database and broker, and what all machines know.

        :param slots: tasks at a time of each worker
        """
        super().__init__(
            home,
            dags_folder=dags_folder,
            config={
                "core.executor": "CeleryExecutor",
                # As many as the workers take, so that a task which waits longer in a queue is lost.
                "core.parallelism": str(slots * len(WORKERS)),
                "core.max_active_tasks_per_dag": "64",
                "core.max_active_runs_per_dag": "1000",
                "database.sql_alchemy_conn": database,
                "celery.broker_url": broker,
                "celery.result_backend": database.replace("postgresql+psycopg2", "db+postgresql"),
                "celery.worker_concurrency": str(slots),
                "celery.celery_config_options": "cluster_celery.CONFIG",
                # Seconds for handing a task to the broker; one is too few for a busy machine.
                "celery.operation_timeout": "3",
                "celery_broker_transport_options.visibility_timeout": "60",
                # Files do not change here.
                "dag_processor.refresh_interval": "300",
                "dag_processor.min_file_process_interval": "600",
                "dag_processor.parsing_processes": "1",
                "dag_processor.print_stats_interval": "0",
                "dag_processor.stale_bundle_cleanup_interval": "0",
                "scheduler.scheduler_idle_sleep_time": "1",
                "scheduler.task_queued_timeout": "90",
                "scheduler.task_queued_timeout_check_interval": "10",
                "scheduler.num_stuck_in_queued_retries": "10",
                "scheduler.task_instance_heartbeat_timeout": "30",
                "scheduler.task_instance_heartbeat_timeout_detection_interval": "5",
                "scheduler.task_instance_heartbeat_sec": "5",
                "scheduler.scheduler_health_check_threshold": "120",
                "triggerer.triggerer_health_check_threshold": "20",
                "triggerer.job_heartbeat_sec": "3",
                # Seconds: 0.1 s of them is the watchdog's own sleep.
                "triggerer.blocked_main_thread_warning_threshold": "0.12",
                "workers.execution_api_retries": "8",
                "usage_data_collection.enabled": "False",
            },
            env=env,
        )
        commands = {
            **{name: [name] for name in ("api-server", "dag-processor")},
            "scheduler": COMPONENTS["scheduler"],
            **dict.fromkeys(TRIGGERERS, COMPONENTS["triggerer"]),
            **{name: ["celery", "worker", "--skip-serve-logs", "-H", f"{name}@%h"] for name in WORKERS},
        }
        self._processes = {
            name: BackgroundProcess(
                name,
                [sys.executable, "-m", "airflow", *command],
                log=self.logs / f"{name}.log",
                env=self._machine(name),
                cwd=self.home,
            )
            for name, command in commands.items()
        }

    def _machine(self, name: str) -> dict[str, str]:
        """Return the environment of a machine: nothing on its disk is another's."""
        folder = self.home / "machines" / name
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        (port,) = free_ports(1)
        return {
            **self.env,
            "TMPDIR": str(folder / "tmp"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(port),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(port),
            "C_FORCE_ROOT": "true",
        }

    @property
    def processes(self) -> Mapping[str, BackgroundProcess]:
        """All components by name."""
        return self._processes

    def _check_alive(self) -> None:
        """Let components die: the storm kills them, and starts them again."""

    def revive(self) -> list[str]:
        """Start what has ended, as a service manager does; return its names."""
        ended = [name for name, process in self._processes.items() if not process.running]
        for name in ended:
            self._processes[name].kill()
            self._processes[name].start()
        return ended
