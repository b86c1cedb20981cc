import HCSAgent
import HCSModel
import Testing

@Suite struct ProcessJobsTests {
    private let kept = ProcessJobs.keptMilliseconds

    private func fault(_ record: String, job: String? = nil) -> Fault {
        Fault(
            family: "xid", code: 13, vendor: .nvidia, pci: nil, message: "", record: record, sequence: nil,
            atMilliseconds: 0, simulated: false, job: job)
    }

    @Test func `a process is its job's for a while after it was last seen`() {
        var jobs = ProcessJobs()
        jobs.note(7, of: AgentFixtures.id(1), at: 0)
        #expect(jobs.job(of: 7, at: kept) == AgentFixtures.id(1))
        #expect(jobs.job(of: 7, at: kept + 1) == nil)
        #expect(jobs.job(of: 8, at: 0) == nil)
        jobs.note(7, of: AgentFixtures.id(2), at: 10)
        #expect(jobs.job(of: 7, at: kept + 1) == AgentFixtures.id(2))
    }

    @Test func `the latest are remembered, and no more than the limit`() {
        var jobs = ProcessJobs()
        let count = Int32(ProcessJobs.limit) + 1
        for pid in 1...count { jobs.note(pid, of: AgentFixtures.id(1), at: Int64(pid)) }
        let known = (1...count).filter { jobs.job(of: $0, at: Int64(count)) != nil }
        #expect(known.count <= ProcessJobs.limit && known.last == count && known.first ?? 0 > 1)
    }

    @Test func `a fault gets the job of the process that its line names, unless it has one`() {
        let jobs: [Int32: WorkloadID] = [7: AgentFixtures.id(1)]
        let named = ProcessJobs.name(
            [
                fault("13, pid=7, name=a"), fault("13, pid=8, name=a"), fault("13, pid='<unknown>', name=<unknown>"),
                fault("13, pid=7", job: "own"), fault("13, pid=99999999999, name=a"), fault("13, pid=4294967303"),
            ], by: jobs)
        #expect(named.map(\.job) == [AgentFixtures.id(1).text, nil, nil, "own", nil, nil])
    }
}
