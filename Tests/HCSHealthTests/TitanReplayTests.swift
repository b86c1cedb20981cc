import HCSHealth
import Testing

/// Four GPUs over two months, worked out by hand.
@Suite struct TitanReplayTests {
    /// A: an event on 2015-12-22 (told twice) and one on 2016-01-11. B: one on 2015-11-02. C: one on 2016-02-10.
    /// D: none, and gone before February. Serial number and location stand only in the first row of a GPU.
    private static let history = """
        0323812000001,c0-0c0s0n0,11/01/2013 00:00:00,08/01/2019 00:00:00
        ,,DBE,12/22/2015 00:00:00
        ,,DBE,12/22/2015 03:00:00
        ,,Off The BUS,01/11/2016 12:00:00
        0323812000002,c0-0c0s0n1,11/01/2013-00:00:00,01/20/2020 10:00:00
        ,,Off The BUS,11/02/2015 00:00:00
        0323812000003,c0-0c0s0n2,11/01/2013 00:00:00,08/01/2019 00:00:00
        ,,DBE,02/10/2016 00:00:00
        0323812000004,c0-0c0s0n3,11/01/2013 00:00:00,01/15/2016 00:00:00
        0323812000005,c9-9c0s0n3,11/01/2013 00:00:00,08/01/2019 00:00:00
        short,c0-0c0s0n3,11/01/2013 00:00:00,08/01/2019 00:00:00
        0323812000006,nowhere,11/01/2013 00:00:00,08/01/2019 00:00:00
        0323812000006,c0-0c0s0n3,yesterday,08/01/2019 00:00:00
        nonsense
        """

    private static let service = "node,loc,location,type,up,run\n1,x,c9-9c0s0n3,service,up,run\n"

    private func replay() -> TitanReplay { TitanReplay(history: Self.history, service: Self.service) }

    @Test func `rows are read as the data set writes them, duplicates within a day are one`() {
        let replay = replay()
        #expect(replay.lives.count == 4 && replay.duplicates == 1 && replay.skipped == 5)
        #expect(replay.events.values.map(\.count).sorted() == [1, 1, 2])
        #expect(
            replay.events["0323812000001"] == [1_450_742_400, 1_452_513_600], "2015-12-22 and 2016-01-11 12:00 UTC")
        #expect(replay.lives["0323812000002"]?.first?.remove == 1_564_690_053, "the last inventory is lights-out")
    }

    /// January 1: A has 2^(-10/7), B 2^(-60/7), C and D nothing; A is hit. February 1: A has more than 0.12 (its second
    /// event), B 2^(-91/7), C nothing; C is hit.
    /// Ranked over both: A Jan 0.3715 hit, A Feb 2^(-20.5/7) + 2^(-41/7) = 0.1486 no, B no, B no, then C, D (January), C
    /// (February, hit) at 0.
    /// Average precision: 1/2 x 1/1 + 1/2 x 2/7 = 9/14.
    @Test func `average precision and precision at the top are those of the hand`() {
        let result = replay().replay(halfLifeDays: 7, from: (2016, 1), to: (2016, 2), topShare: 0.1)
        #expect(result.ranked == 7 && result.hits == 2)
        #expect(abs(result.averagePrecision - 9.0 / 14) < 1e-12)
        #expect(result.precisionAtTop == 1)
        let half = replay().replay(halfLifeDays: 7, from: (2016, 1), to: (2016, 2), topShare: 0.7)
        // The fifth place is shared by three, one of which is hit.
        #expect(abs(half.precisionAtTop - (1 + 1.0 / 3) / 5) < 1e-12)
    }

    /// With a half-life of 180 days February's A (2^(-20.5/180) + 2^(-41/180) = 1.78) is ranked over January's (0.96):
    /// 1/2 x 1/2 + 1/2 x 2/7 = 11/28.
    @Test func `the half-life decides the order`() {
        let result = replay().replay(halfLifeDays: 180, from: (2016, 1), to: (2016, 2))
        #expect(abs(result.averagePrecision - 11.0 / 28) < 1e-12)
    }

    @Test func `nothing to rank is no figure`() {
        let result = TitanReplay(history: "").replay(halfLifeDays: 7)
        #expect(result.ranked == 0 && result.hits == 0 && result.averagePrecision == 0 && result.precisionAtTop == 0)
        #expect(TitanReplay.judge([(1, false)], topShare: 0.5).averagePrecision == 0)
    }
}
