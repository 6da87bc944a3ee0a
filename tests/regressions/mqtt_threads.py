"""Public issue threads of MQTT clients and brokers, serial lines, clocks and stores, and what became of each.

Each is a fault that lost somebody's data or connection. A thread that can apply here has a test that bears
its name; one that cannot says why.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thread:
    """What happened there; `tests` prove that it does not happen here, or `reason` says why it cannot."""

    where: str
    happened: str
    tests: tuple[str, ...] = ()
    reason: str = ""


MQTT = (
    Thread(
        "telegraf#14750",
        "a batch counted as written while the broker was off",
        ("test_telegraf_14750_an_event_counts_as_sent_only_with_its_puback",),
    ),
    Thread(
        "node-red#2864",
        "QoS 1 messages were lost in a network that swallowed packets",
        ("test_node_red_2864_what_a_silent_network_swallowed_is_sent_again",),
    ),
    Thread(
        "aiomqtt#334, #6, #212, #288",
        "the client does not reconnect by itself",
        ("test_aiomqtt_334_the_connection_is_made_again_each_time_it_is_lost",),
    ),
    Thread(
        "aiomqtt#269",
        "after a connect timeout the client object is dead",
        ("test_aiomqtt_269_after_a_connect_timeout_the_next_attempt_works",),
    ),
    Thread(
        "aiomqtt#29, #119",
        "pending publishes grow until memory ends",
        ("test_aiomqtt_29_no_more_than_a_window_is_in_flight",),
    ),
    Thread(
        "aiomqtt#365",
        "a slow broker made publish timeouts fire",
        ("test_aiomqtt_365_a_slow_broker_is_waited_for",),
    ),
    Thread(
        "paho.mqtt.python#613",
        "waiting for a publish hangs for ever when the broker dies",
        ("test_paho_613_waiting_for_an_acknowledgement_ends",),
    ),
    Thread(
        "paho.mqtt.python#284, #382",
        "QoS 2 is stuck or lost when it is resumed",
        ("test_paho_284_nothing_depends_on_qos_2",),
    ),
    Thread(
        "paho.mqtt.python#50, #483",
        "hours of lag in an unlimited queue",
        ("test_paho_50_a_heartbeat_does_not_wait_behind_events",),
    ),
    Thread(
        "amqtt#401",
        "the broker forgets what was in flight when a client drops",
        ("test_amqtt_401_what_a_broker_forgot_in_flight_is_sent_again",),
    ),
    Thread(
        "amqtt#391 and its wildcard ReDoS",
        "a hard-coded PUBACK wait; a subscription froze the broker before 0.11.4",
        ("test_amqtt_391_it_is_for_the_demo_only_and_newer_than_its_hole",),
    ),
    Thread(
        "hbmqtt#203, #207, amqtt PR#101",
        "tasks and descriptors leaked with every connection",
        ("test_hbmqtt_203_connections_leave_no_task_and_no_descriptor",),
    ),
    Thread(
        "mosquitto#2349, #2415",
        "queued messages were lost when a session was resumed",
        ("test_mosquitto_2349_no_session_is_resumed",),
    ),
    Thread(
        "mosquitto#2455, #1726",
        "an unlimited queue for a client took all memory; delivered messages came again",
        ("test_mosquitto_1726_what_comes_twice_is_the_same_event_with_the_same_number",),
    ),
    Thread(
        "mosquitto#1081, #1734",
        "persistence is off by default",
        ("test_mosquitto_1081_the_example_keeps_what_it_holds",),
    ),
    Thread(
        "bento#489",
        "slow work in the read path dropped messages",
        ("test_bento_489_what_screens_send_waits_for_no_disk",),
    ),
    Thread(
        "redpanda-data/connect#479",
        "the client did not know that it was disconnected",
        ("test_connect_479_a_connection_that_has_fallen_silent_is_given_up",),
    ),
    Thread(
        "node-red#3367",
        "one malformed topic made an endless reconnect loop",
        (
            "test_node_red_3367_a_topic_that_a_broker_would_refuse_is_never_stored",
            "test_node_red_3367_an_event_that_is_refused_all_the_same_does_not_stop_the_others",
        ),
    ),
    Thread(
        "zigbee2mqtt#26372, #4854, #9629",
        "retained state was gone, or stayed offline, after the broker was restarted",
        ("test_zigbee2mqtt_26372_status_and_alerts_are_there_after_the_broker_lost_its_memory",),
    ),
)

SERIAL = (
    Thread(
        "pyserial-asyncio#12, #28, PR#4",
        "pulling the plug raised where nobody caught it, and nobody was told",
        ("test_pyserial_asyncio_12_pulling_the_plug_is_told_to_who_reads_and_who_writes",),
    ),
    Thread(
        "pyserial-asyncio-fast PR#16",
        "the loss was told before the port was closed, so that it could not be opened again",
        ("test_pyserial_asyncio_fast_16_a_port_can_be_opened_the_moment_it_was_left",),
    ),
    Thread(
        "pyserial-asyncio#31",
        "an unbounded writer ran out of memory",
        ("test_pyserial_asyncio_31_a_writer_waits_for_a_line_that_is_full",),
    ),
    Thread(
        "pyserial-asyncio#53, zigpy#1604",
        "writes block the event loop",
        ("test_pyserial_asyncio_53_a_full_line_does_not_hold_up_the_loop",),
    ),
    Thread(
        "zigpy PR#1710",
        "a flush deadlocked when the port was closed",
        ("test_zigpy_1710_a_port_with_unsent_bytes_closes_at_once",),
    ),
    Thread(
        "pyserial-asyncio#3, #69",
        "Windows was never properly supported",
        reason="The gateway runs on Linux; a Windows cart is reached over TCP or a shared folder.",
    ),
    Thread(
        "pyserial-asyncio#100, jSerialComm PR#369",
        "an adapter's latency timer shifts timestamps that are taken on arrival by 16 ms",
        reason="No quantity is computed from the time of arrival: times of a response stand in the record.",
    ),
    Thread(
        "pysml#7",
        "a dead peer of a TCP line was never noticed",
        ("test_pysml_7_a_terminal_server_that_died_without_a_word_is_found",),
    ),
    Thread(
        "bellows PR#476, PR#481",
        "one unexpected exception ended the reconnect task for good",
        ("test_bellows_476_an_unexpected_error_does_not_end_the_task",),
    ),
    Thread(
        "bellows#654, #729",
        "the connection was lost and the display still said that all was well",
        ("test_bellows_654_a_gateway_that_died_says_offline",),
    ),
    Thread(
        "weewx#134, #33",
        "the station was unplugged, the daemon ended, and nobody noticed for two days",
        ("test_weewx_134_a_cart_that_is_unplugged_and_comes_back_is_taken_up_again",),
    ),
    Thread(
        "zigbee2mqtt#17809, #26002",
        "the restart came before the adapter was back, and was the last one",
        ("test_zigbee2mqtt_17809_a_line_that_is_not_there_yet_is_tried_again",),
    ),
    Thread(
        "thingsboard-gateway#1451, #1592, #1339",
        "a serial line stopped without a line in the log",
        ("test_thingsboard_1451_a_lost_line_is_told",),
    ),
    Thread(
        "sdc11073#381",
        "a consumer cannot connect again",
        ("test_sdc11073_381_the_same_driver_runs_again",),
    ),
)

CLOCK_AND_STORE = (
    Thread(
        "oem_gateway#12",
        "it started before the time was set and sent wrong dates",
        ("test_oem_gateway_12_a_clock_that_is_put_right_reorders_nothing",),
    ),
    Thread(
        "pwnagotchi#309",
        "nothing told afterwards how wrong a time was",
        ("test_pwnagotchi_309_every_fact_has_its_boot_and_a_time_that_never_goes_back",),
    ),
    Thread(
        "OctoPrint#3266",
        "the clock went backwards and checks failed",
        ("test_octoprint_3266_a_clock_that_goes_back_neither_ends_nor_prolongs_an_examination",),
    ),
    Thread(
        "kura#2169, #4234, PR#6329",
        "a damaged database was deleted with all queued messages",
        ("test_kura_2169_a_damaged_database_is_named_and_left_as_it_is",),
    ),
    Thread(
        "fledge PR#245, fledge#1649",
        "one bad reading was tried again for ever",
        ("test_fledge_245_a_fact_that_cannot_be_read_does_not_hold_up_the_others",),
    ),
    Thread(
        "ble-scale-sync#144 and two like it",
        "a frozen event loop was not noticed for hours",
        reason="Open: this version has no watchdog; only a gateway that ends is started again (systemd).",
    ),
)
