import Foundation
import HCSAPI
import HCSModel
import Testing

@Suite("A plan on the command line", .serialized)
struct PlanTests {
    @Test("says where a request would go or with which change it would fit, and submits nothing")
    func plan() async throws {
        let cluster = try await Cluster()
        try cluster.startAgent(.simulated)
        try await cluster.waitForDevices(SimulatedHostTests.deviceCount)
        func plan(_ vram: String, _ more: [String] = []) async throws -> (code: Int32, output: String) {
            let result = try await cluster.run(
                "hcs", ["plan", "--name", "maybe", "--runtime", "cuda", "--vram", vram] + more + ["--", "/bin/true"])
            return (result.code, result.output)
        }
        let fits = try await plan("8Gi")
        #expect(fits.code == 0 && fits.output.contains("fits on host-a") && fits.output.contains("best"))
        let much = try await plan("500Gi")
        #expect(much.code == 75 && much.output.contains("fits with --vram "), "\(much.output)")
        let view = try HCSJSON.decode(PlanView.self, from: Data(try await plan("8Gi", ["--json"]).output.utf8))
        #expect(view.fits && view.grants.count == 1 && view.devices.count { $0.chosen == true } == 1)
        #expect(try await cluster.withScheduler { try await $0.workloads(all: true).items }.isEmpty)
    }
}
