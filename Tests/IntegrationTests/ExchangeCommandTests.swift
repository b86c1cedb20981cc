import Foundation
import HCSAPI
import HCSModel
import HCSTestSupport
import Testing

@Suite("Exchange rates and requests on the command line", .serialized)
struct ExchangeCommandTests {
    @Test("rates are shown, learn from what is reported, and follow what an operator states")
    func exchange() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(SimulatedHostTests.deviceCount)
        let pool = try await cluster.run("hcs", ["exchange", "--class", "decode"])
        #expect(pool.code == 0 && pool.output.contains("910B3") && pool.output.contains("simulated"), "\(pool)")

        func rate() async throws -> ExchangeRate {
            let shown = try await cluster.run(
                "hcs", ["exchange", "910B3", "A100-80G", "--class", "decode", "--json"])
            return try HCSJSON.decode(ExchangeRate.self, from: Data(shown.output.utf8))
        }
        let figures = try await rate()
        #expect(figures.to == "NVIDIA A100-SXM4-80GB" && figures.rate < 0.85)
        let told = try await cluster.run(
            "hcs",
            [
                "exchange", "report", "--class", "decode", "--workload", "llama3-8b-b32", "--model", "910B3",
                "--throughput", "900", "--unit", "tokens/s", "--baseline", "A100-80G=1800", "--by", "ada",
            ])
        #expect(told.code == 0 && told.output.contains("llama3-8b-b32"), "\(told)")
        let seen = try await rate()
        #expect(seen.rate < figures.rate && seen.rate > 0.5)
        #expect(try await cluster.run("hcs", ["exchange", "observations"]).output.contains("tokens/s"))
        let events = try await cluster.run("hcs", ["events", "--kind", "throughput-reported"])
        #expect(events.output.contains("ada"), "\(events)")

        let forget = ["exchange", "forget", "--class", "decode", "--model", "910B3", "--by", "ada"]
        let gone = try await cluster.run("hcs", forget)
        #expect(gone.code == 0 && gone.output.contains("llama3-8b-b32"), "\(gone)")
        #expect(try await rate().rate == figures.rate)
        let again = try await cluster.run("hcs", forget)
        #expect(again.code == 0 && again.output.contains("Nothing of that was reported."), "\(again)")

        cluster.killScheduler()
        try cluster.directory.write(
            "rates:\n  - {card: 910B3, of: A100-80G, rate: 0.6, class: decode, source: ours}\n",
            to: "config/exchange.d/1.yaml")
        try await cluster.startScheduler(["--config-dir", cluster.directory.file("config")])
        let stated = try await rate()
        #expect(abs(stated.rate - 0.6) < 1e-9 && stated.confidence == .stated)
        let text = try await cluster.run("hcs", ["exchange", "910B3", "A100-80G", "--class", "decode"])
        #expect(text.output.contains("910B3 is 0.6 x NVIDIA A100-SXM4-80GB: ours"), "\(text)")
        let nobody = try await cluster.run("hcs", ["exchange", "A100-8OG", "T4"])
        #expect(nobody.code == 66 && nobody.error.contains("nearest names: A100-80G"), "\(nobody)")
        let missing = try await cluster.run("hcs", ["exchange", "A100-80G", "H100", "--precision", "fp8", "--offline"])
        #expect(missing.code == 66 && missing.error.contains("no published fp8"), "\(missing)")
    }

    @Test("a file is submitted, and what it asks for is shown")
    func file() async throws {
        let cluster = try await Cluster()
        let file = try cluster.directory.write(
            """
            name: night
            runtime: cuda
            vram: 8Gi
            command: [/bin/true]
            placement:
              devices: 2
              compute: {teraflops: 20, precision: bf16}
              require: ["model=*H100*"]
              priority: 7
            """, to: "job.yaml")
        let submitted = try await cluster.run("hcs", ["submit", "--file", file, "--tenant", "vision"])
        #expect(submitted.code == 0, "\(submitted)")
        let shown = try await cluster.run("hcs", ["workloads", "night"])
        for words in ["2, 20.0 TFLOPS bf16 of each", "model=*H100*", "8Gi of each device's memory", "vision"] {
            #expect(shown.output.contains(words), "\(words): \(shown.output)")
        }
        try cluster.directory.write("name: a\nvrma: 1\n", to: "bad.yaml")
        let bad = try await cluster.run("hcs", ["submit", "--file", cluster.directory.file("bad.yaml")])
        #expect(bad.code == 65 && bad.error.contains("bad.yaml line 2: unknown field 'vrma'"), "\(bad)")
    }
}
