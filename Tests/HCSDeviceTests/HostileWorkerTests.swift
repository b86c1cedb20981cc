import Foundation
import HCSDevice
import HCSModel
import HCSTestSupport
import Testing

/// A worker that a vendor's library has spoilt may say anything.
@Suite(.timeLimit(.minutes(5))) struct HostileWorkerTests {
    /// A program in place of the worker: shell that talks over descriptor 3.
    private func manager(_ script: String, _ directory: TemporaryDirectory, timing: WorkerTiming = .patient) throws
        -> DeviceManager
    {
        let path = try directory.writeProgram("#!/bin/sh\n\(script)\n", to: "worker.sh")
        return DeviceManager(sources: [.real(.nvidia)], executable: path, timing: timing)
    }

    private static let honest = """
        answer() { printf '{"id":%s,"ok":%s}\\n' "$1" "$2" >&3; }
        symbols='{"library":"x","present":1,"missing":[]}'

        """

    @Test(arguments: [
        ("read line <&3; echo garbage >&3; read line <&3", "JSON at byte 0"),
        ("read line <&3; printf '{\"id\":999,\"ok\":true}\\n' >&3; read line <&3", "not to request 1"),
        ("read line <&3; printf '{\"id\":1}\\n' >&3; read line <&3", "neither a value nor an error"),
        ("read line <&3; printf '{\"id\":1,\"error\":{\"code\":\"whoKnows\"}}\\n' >&3; read line <&3", "neither"),
        (
            "read line <&3; printf '{\"id\":1,\"ok\":true}\\n{\"id\":2,\"ok\":{}}\\n' >&3; read line <&3",
            "without being asked"
        ),
        ("read line <&3; head -c 3000000 /dev/zero | tr '\\0' x >&3; read line <&3", "longer than 2097152 bytes"),
        ("read line <&3; printf '\\377\\376\\n' >&3; read line <&3", "JSON"),
        ("exit 3", "exit 3"), ("kill -9 $$", "killed by signal 9"),
    ])
    func `nonsense from a worker is a crash with its reason, never the agent's`(script: String, reason: String)
        async throws
    {
        let directory = try TemporaryDirectory()
        let manager = try manager(script, directory)
        let status = try #require(await manager.sample().workers.first)
        #expect(status.state == .crashed && status.reason?.contains(reason) == true, "\(status)")
        #expect(await manager.devices.isEmpty)
        await manager.stop()
    }

    @Test func `devices and samples that no library can have are left out`() async throws {
        let directory = try TemporaryDirectory()
        let manager = try manager(
            Self.honest + """
                while read number what <&3; do case $what in
                hello) answer $number true ;;
                symbols) answer $number "$symbols" ;;
                inventory) answer $number '{"devices":[{"id":"GPU-a","name":"A","index":0,"memory":8589934592},{"id":"../b","name":"B","index":1,"memory":8589934592}],"skipped":["device 7: \\u001b[2J"]}' ;;
                sample) answer $number '{"samples":[{"id":"GPU-a","signals":{"temperature":1e300},"health":"splendid"},{"id":"GPU-z","temperature":40},{"id":5}]}' ;;
                esac; done
                """, directory)
        let sweep = await manager.sample()
        #expect(sweep.samples == [DeviceID("GPU-a"): DeviceSample()])
        let status = try #require(sweep.workers.first)
        #expect(status.state == .running && status.droppedValues == 1)
        #expect(status.skippedDevices.count == 2 && status.skippedDevices.last == "device 7: ?[2J")
        await manager.stop()
    }

    @Test func `a worker that drips its answer byte by byte does not stretch the deadline`() async throws {
        let directory = try TemporaryDirectory()
        let timing = WorkerTiming(
            call: .seconds(1), start: .seconds(1), grace: .milliseconds(50), firstBackOff: .seconds(60))
        let manager = try manager("read line <&3; while printf x >&3; do sleep 0.1; done", directory, timing: timing)
        // Were the deadline stretched by each byte, the megabyte a reply may have would take a day.
        let missed = await eventually {
            await manager.sample().workers.first?.missedDeadlines == 1
        }
        let status = try #require(await manager.statuses.first)
        #expect(missed && status.reason == "the library did not open within 1.0 seconds", "\(status)")
        await manager.stop()
    }

    @Test func `a worker that ignores every request to end is killed`() async throws {
        let directory = try TemporaryDirectory()
        let timing = WorkerTiming(
            call: .seconds(1), start: .seconds(30), grace: .milliseconds(50), firstBackOff: .seconds(60))
        // It answers once it ignores SIGTERM and has told its pid, then never again. Bounded, so that nothing stays when
        // these tests are killed.
        let manager = try manager(
            Self.honest + """
                trap '' TERM; echo $$ > \(directory.file("pid")); read number what <&3; answer $number true
                rounds=0; while [ $((rounds += 1)) -lt 1200 ]; do read line <&3 || sleep 0.05; done
                """, directory, timing: timing)
        #expect(await eventually { await manager.sample().workers.first?.missedDeadlines == 1 })
        let pid = try #require(Int32(try String(contentsOfFile: directory.file("pid"), encoding: .utf8).dropLast()))
        #expect(await eventually { kill(pid, 0) != 0 && errno == ESRCH })
        #expect(await manager.statuses.first?.stuck == 0)
        await manager.stop()
    }

    @Test func `a worker that cannot be started is a reason, not a failure of the agent`() async throws {
        let manager = DeviceManager(sources: [.real(.nvidia)], executable: "/does/not/exist")
        let status = try #require(await manager.sample().workers.first)
        #expect(status.state == .crashed && status.reason?.contains("/does/not/exist") == true, "\(status)")
        await manager.stop()
    }
}
