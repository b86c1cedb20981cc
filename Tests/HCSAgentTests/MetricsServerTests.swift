import Foundation
import HCSAPI
import HCSDevice
import HCSModel
import HCSProbe
import HCSSystem
import HCSTestSupport
import Synchronization
import Testing

@testable import HCSAgent

@Suite struct MetricsServerTests {
    /// A worker in shell that writes down every request. It answers the sample of the first inventory and of the first pass;
    /// the next one hangs until `release` is there.
    private static func worker(in directory: TemporaryDirectory) throws -> String {
        try directory.writeProgram(
            """
            #!/bin/sh
            answer() { printf '{"id":%s,"ok":%s}\\n' "$1" "$2" >&3; }
            samples=0
            while read number what <&3; do
                echo "$what" >>\(directory.file("calls"))
                case $what in
                hello) answer $number true ;;
                symbols) answer $number '{"library":"x","present":1,"missing":[]}' ;;
                inventory) answer $number '{"devices":[{"id":"GPU-a","name":"A","index":0,"memory":8589934592}],"skipped":[]}' ;;
                sample)
                    samples=$((samples + 1))
                    if [ $samples -gt 2 ]; then
                        rounds=0
                        while [ ! -e \(directory.file("release")) ] && [ $((rounds += 1)) -lt 6000 ]; do sleep 0.05; done
                    fi
                    answer $number '{"samples":[{"id":"GPU-a","signals":{"temperature":41}}]}' ;;
                esac
            done

            """, to: "worker.sh")
    }

    private func serve(
        _ recorder: MetricsRecorder, _ state: NodeState, _ body: @Sendable (HTTPAPIClient) async throws -> Void
    ) async throws {
        let port = Mutex(0)
        let server = MetricsServer(
            port: 0, compatibility: .dcgm, recorder: recorder, logger: AgentFixtures.logger,
            status: { await state.status() }, running: { found in port.withLock { $0 = found } })
        let running = Task { try await server.run() }
        defer { running.cancel() }
        #expect(await eventually { port.withLock { $0 } != 0 })
        let url = "http://127.0.0.1:\(port.withLock { $0 })"
        try await HTTPAPIClient.with(endpoint: .url(url), token: nil) { try await body($0) }
    }

    private func cycle(
        _ devices: DeviceManager, _ directory: TemporaryDirectory, _ state: NodeState, _ recorder: MetricsRecorder
    ) throws -> CollectionCycle {
        let reader = HostFactsReader(root: HostRoot(directory.path), pciVendors: [], modelCache: "/")
        return CollectionCycle(
            devices: devices, probes: ProbeRunner(options: ProbeOptions(kernelLogPath: nil)),
            health: HealthMonitor(
                policy: try Agent.healthPolicy(at: "/nonexistent/policy"), bootID: "b",
                path: directory.file("health.json"), logger: AgentFixtures.logger),
            supervisor: WorkloadSupervisor(
                settings: .init(
                    directory: directory.file("workloads"), bootID: "b", interceptor: "/nonexistent",
                    workloadUser: nil), launcher: ShimLauncher(shim: "/nonexistent"),
                segmentDirectory: directory.file("segments"), logger: AgentFixtures.logger),
            state: state, host: HostWatch(reader: reader, known: reader.read()), metrics: recorder,
            interval: .milliseconds(50), trustUserKernelLog: false, logger: AgentFixtures.logger)
    }

    @Test func `a scrape is answered while a vendor's library hangs, and asks it nothing`() async throws {
        let directory = try TemporaryDirectory()
        let timing = WorkerTiming(call: .seconds(600), start: .seconds(60), grace: .milliseconds(50))
        let devices = DeviceManager(
            sources: [.real(.nvidia)], executable: try Self.worker(in: directory), timing: timing)
        let state = AgentFixtures.state()
        let recorder = MetricsRecorder { _ in "none" }
        let cycle = try cycle(devices, directory, state, recorder)
        let collecting = Task { try await cycle.run() }
        @Sendable func calls() -> [Substring] {
            ((try? SmallFile.text(directory.file("calls"))) ?? "").split(separator: "\n")
        }
        #expect(await eventually { calls().count { $0 == "sample" } == 3 }, "\(calls())")
        let before = calls()
        try await serve(recorder, state) { http in
            for _ in 0..<50 {
                let scrape = MetricsScrape(String(decoding: try await http.getText("/metrics"), as: UTF8.self))
                #expect(scrape.problems.isEmpty)
                #expect(scrape.value("hcs_gpu_temperature_celsius", ["uuid": "GPU-a"]) == 41)
                #expect(scrape.value("hcs_collector_duration_seconds_count") == 1, "no pass has ended since")
            }
        }
        #expect(calls() == before)
        collecting.cancel()
        try directory.write("", to: "release")
        _ = try? await collecting.value
    }
}
