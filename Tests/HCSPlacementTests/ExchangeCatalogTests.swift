import Foundation
import HCSCatalog
import HCSModel
import HCSPlacement
import Testing

/// The exchange table over the built-in catalogue.
@Suite struct ExchangeCatalogTests {
    private let table = ExchangeTable(cards: Catalog.builtIn.cards)

    @Test func `every card of the catalogue is there under a name of its own`() {
        #expect(table.problems.isEmpty)
        #expect(table.cards.count == Catalog.builtIn.rows.count)
        #expect(Set(table.cards.map(\.name)).count == table.cards.count)
        for card in table.cards { #expect((try? table.card(named: card.name)) == card, "\(card.name)") }
    }

    @Test func `the unit's card has the catalogue's figures`() throws {
        for precision in Precision.allCases {
            let unit = precision.unitCard
            let card = try table.card(named: unit.name)
            #expect(card.fingerprint.tflops[precision] == unit.tflops, "\(precision)")
            #expect(card.fingerprint.bandwidthGBps == unit.bandwidthGBps, "\(precision)")
        }
    }

    @Test(arguments: [
        ("A100-80G", "NVIDIA A100-SXM4-80GB"), ("A100-40G", "NVIDIA A100-SXM4-40GB"),
        ("a100 80gb", "NVIDIA A100-SXM4-80GB"),
        ("910B3", "910B3"), ("Ascend910B3", "910B3"), ("H100", "NVIDIA H100 80GB HBM3"), ("H20", "NVIDIA H20"),
        ("V100-32G", "Tesla V100-SXM2-32GB"), ("T4", "Tesla T4"), ("L40S", "NVIDIA L40S"),
        ("RTX 4090", "NVIDIA GeForce RTX 4090"), ("MLU370-X8", "MLU370-X8"), ("K100-AI", "K100_AI"),
        ("MI300X", "AMD Instinct MI300X"),
        ("H800", "NVIDIA H800"), ("H200", "NVIDIA H200"), ("A800-80G", "NVIDIA A800-SXM4-80GB"),
    ])
    func `people's names are known`(name: String, card: String) throws {
        #expect(try table.card(named: name).name == card)
    }

    @Test(arguments: [
        ("A100-80", "A100-80G"), ("910B5", "910B"), ("H1000", "H100"), ("MLU370", "MLU370-X4"),
        ("A10O-80G", "A100-80G"),
    ])
    func `an unknown name is answered with the nearest`(name: String, near: String) {
        #expect {
            try table.card(named: name)
        } throws: { error in
            guard let error = error as? ExchangeUnknown else { return false }
            return error.message.contains("nearest names") && error.message.contains(near)
        }
    }

    /// One workload, two cards, as their publisher measured it: https://huggingface.co/Deci/DeciCoder-1b, generation with the
    /// largest batch: A10 3,889.3 and A100 11,676.8 tokens/s (Infery), 1,364.2 and 3,244.4 (PyTorch).
    @Test func `published decode figures lie within what the table says of two cards`() throws {
        let rate = try table.rate("A100-80G", "A10", class: .decode, precision: .fp16)
        for seen in [11_676.8 / 3_889.3, 3_244.4 / 1_364.2] { #expect(rate.low < seen && seen < rate.high) }
    }

    @Test func `every pair of cards has a rate or a reason`() throws {
        for workloadClass in WorkloadClass.allCases {
            for precision in Precision.allCases {
                for card in table.cards {
                    do throws(ExchangeUnknown) {
                        let unit = precision.unitCard.name
                        let rate = try table.rate(card.name, unit, class: workloadClass, precision: precision)
                        #expect(rate.rate > 0 && rate.rate < 20, "\(card.name)")
                        #expect(card.fingerprint.tflops[precision] != nil && card.fingerprint.bandwidthGBps != nil)
                    } catch {
                        #expect(error.code == .noFigure && error.message.contains(card.name))
                        #expect(card.fingerprint.tflops[precision] == nil || card.fingerprint.bandwidthGBps == nil)
                    }
                }
            }
        }
    }
}
