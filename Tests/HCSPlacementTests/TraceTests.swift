import HCSPlacement
import Testing

private let nodes =
    "sn,cpu_milli,memory_mib,gpu,model\nn0,64000,262144,2,P100\nn1,96000,393216,8,G2\nc0,32000,1000,0,\n"
private let header = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos\n"

private func read(_ nodeText: String = nodes, _ pods: String) throws -> Trace {
    try Trace(nodes: nodeText, called: "n.csv", pods: pods, called: "p.csv")
}

private func complaint(_ nodeText: String = nodes, _ pods: String) -> String {
    do {
        _ = try read(nodeText, pods)
        return "read"
    } catch { return "\(error)" }
}

@Suite struct TraceTests {
    @Test func `nodes and pods are read by the names of the columns`() throws {
        let trace = try read(
            "model,gpu,sn,memory_mib,cpu_milli\r\nP100,2,n0,100,64000\r\n",
            "\u{FEFF}" + header + "a,12000,16384,1,460,,LS\n\"b\",8000,10,0,0,P100,BE\n\nc,1.0,1,2,1000,P100|P100,\n")
        #expect(trace.models == ["P100"])
        #expect(trace.nodes == [PackingNode(model: 0, cpu: 64000, memory: 100, free: [1000, 1000])])
        #expect(trace.pods.map(\.deviceMilli) == [460, 0, 2000])
        #expect(trace.pods.map(\.models) == [PackingShape.anyModel, PackingShape.anyModel, 1])
        #expect(trace.capacity == 2000 && trace.demand == 2460)
    }

    @Test func `a pod list without gpu_spec binds nothing to a model`() throws {
        let trace = try read(nodes, "name,cpu_milli,memory_mib,num_gpu,gpu_milli\na,1,1,8,1000\n")
        #expect(trace.pods == [PackingShape(cpu: 1, memory: 1, devices: 8, share: 1000)])
    }

    @Test func `a model that no node has is told where others will do`() throws {
        let trace = try read(nodes, header + "a,1,1,1,500,G2|H9,\nb,1,1,1,500,H9|P100|G2,\nc,1,1,1,500,G2,\n")
        #expect(trace.pods.map(\.models) == [0b10, 0b11, 0b10])
        #expect(trace.absentModels == ["H9": 2])
    }

    @Test func `blanks, quotes, other line ends and columns change nothing`() throws {
        let plain = try read(nodes, header + "a,1,2,1,500,P100,LS\n")
        let dressed = try read(
            "\u{FEFF}sn, cpu_milli ,memory_mib,gpu,model,zone\r\n\"n0\",64000 ,\t262144,2,\"P100\" ,\"a, b\"\r\n"
                + "n1,96000,393216,8.0,G2,\r\nc0,32000,1000,0,nan,",
            "id,name,num_gpu,gpu_milli,cpu_milli,memory_mib,gpu_spec\r\n7, \"a\" ,1,500.00,1,2,\"P100\"")
        #expect(dressed.nodes == plain.nodes && dressed.pods == plain.pods && dressed.models == plain.models)
    }

    @Test(arguments: [
        ("a,-1,1,0,0,,", "p.csv:2: cpu_milli is '-1', not a whole number from 0 on"),
        ("a,1,1e9,0,0,,", "p.csv:2: memory_mib is '1e9', not a whole number from 0 on"),
        ("a,1.5,1,0,0,,", "p.csv:2: cpu_milli is '1.5', not a whole number from 0 on"),
        ("a,,1,0,0,,", "p.csv:2: cpu_milli is '', not a whole number from 0 on"),
        ("a,1,2147483648,0,0,,", "p.csv:2: memory_mib is 2147483648, more than 2147483647"),
        (
            "a,99999999999999999999999,1,0,0,,",
            "p.csv:2: cpu_milli is 99999999999999999999999, more than 2147483647"
        ),
        ("a,1,1,17,1000,,", "p.csv:2: num_gpu is 17, more than 16"),
        ("a,1,1,1,1001,,", "p.csv:2: gpu_milli is 1001, more than 1000"),
        ("a,1,1,1,0,,", "p.csv:2: num_gpu 1 with gpu_milli 0: both are 0 or neither"),
        ("a,1,1,0,500,,", "p.csv:2: num_gpu 0 with gpu_milli 500: both are 0 or neither"),
        ("a,1,1,1,500,H9\u{1b},", "p.csv:2: gpu_spec names model 'H9?', the nodes have G2, P100"),
        ("a,1,1,1,500,P100|,", "p.csv:2: gpu_spec names model '', the nodes have G2, P100"),
        ("a,1,1", "p.csv:2: 3 fields below a header of 7"),
        ("a,1,1,1,500,H9|H8,", "p.csv:2: gpu_spec names model 'H9', the nodes have G2, P100"),
        ("a,1,1,1,500,P100,,x", "p.csv:2: 8 fields below a header of 7"),
        ("\"a,1,1,0,0,,", "p.csv:2: a quote is not closed"),
        ("a\"b\",1,1,0,0,,", "p.csv:2: a quote inside of a field"),
        ("\"a\"b,1,1,0,0,,", "p.csv:2: text after a closing quote"),
    ])
    func `a bad pod is named with its line`(row: String, expected: String) {
        #expect(complaint(nodes, header + row + "\n") == expected)
    }

    @Test(arguments: [
        ("", "n.csv:1: the file is empty"), ("sn,cpu_milli\n", "n.csv:1: the header lacks memory_mib, gpu, model"),
        ("sn,sn\n", "n.csv:1: column 'sn' stands there twice"),
        ("sn,cpu_milli,memory_mib,gpu,model\n", "n.csv:1: there is no node"),
        (nodes + "n0,1,1,1,G2\n", "n.csv:5: node 'n0' stands in line 2 already"),
        (nodes + ",1,1,1,G2\n", "n.csv:5: the node has no name (sn)"),
        (nodes + "n9,1,1,1,\n", "n.csv:5: the node's devices have no model"),
        (nodes + "n9,1,1,17,G2\n", "n.csv:5: gpu is 17, more than 16"),
    ])
    func `a bad node is named with its line`(text: String, expected: String) {
        #expect(complaint(text, header + "a,1,1,0,0,,\n") == expected)
    }

    @Test func `every bad line is told, up to a limit, and none is left out in silence`() throws {
        let text = complaint(nodes, header + "a,1,1,0,0,,\nb,x,1,0,0,,\nc,1,1,0,0,,\nd,y,1,0,0,,\n")
        #expect(text.split(separator: "\n").map { $0.prefix(8) } == ["p.csv:3:", "p.csv:5:"])
        let many = complaint(nodes, header + String(repeating: "b,x,1,0,0,,\n", count: 25))
        #expect(many.hasSuffix("p.csv: 5 more bad lines"))
    }
}
