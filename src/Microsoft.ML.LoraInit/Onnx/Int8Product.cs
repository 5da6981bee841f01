using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Onnx;

/// <summary>
/// Products with weights in 8 bits, by the operators that ONNX Runtime's own dynamic quantiser emits and its sessions fuse
/// (microsoft/onnxruntime, 103f80c: onnxruntime/python/tools/quantization/operators/matmul.py, <c>MatMulInteger</c>): a column of W is
/// rounded once to s·q with q in [−127, 127]; all of x, when it comes, to t·(p − z) with p and z in [0, 255]; then
/// x W = (Σ (p − z) q)·(t·s), where the sum is exact.
/// </summary>
/// <param name="graph">Where the nodes go.</param>
internal sealed class Int8Product(OnnxGraph graph)
{
    // Inputs that were rounded already, such as the one of query, key and value.
    private readonly Dictionary<string, string[]> _rounded = new(StringComparer.Ordinal);

    /// <summary>x W, fp32.</summary>
    /// <param name="x">fp32 […, inputs].</param>
    /// <param name="name">The weight's.</param>
    /// <param name="weight">[outputs, inputs]; must live until the graph is written.</param>
    public string Add(string x, string name, Tensor weight)
    {
        if (!_rounded.TryGetValue(x, out var rounded))
            _rounded.Add(x, rounded = graph.AddSeveral("DynamicQuantizeLinear", [x], "quantized", "scale", "zero_point"));
        long outputs = weight.shape[0], inputs = weight.shape[1];
        var quantized = graph.Constant(new($"{name}_quantized", OnnxType.Int8, [inputs, outputs], stream => WriteQuantized(weight, stream)));
        var scales = graph.Constant(new($"{name}_scale", OnnxType.Float, [outputs], stream =>
        {
            using var scope = NewDisposeScope();
            OnnxTensor.Of(name, Scales(weight)).Write(stream);
        }));
        var zeros = graph.Constant(new($"{name}_zero_point", OnnxType.Int8, [outputs], stream => stream.Write(new byte[outputs])));
        var sums = graph.Add("Cast", [graph.Add("MatMulInteger", [rounded[0], quantized, rounded[2], zeros])], ("to", (long)OnnxType.Float));
        return graph.Add("Mul", [sums, graph.Add("Mul", [rounded[1], scales])]);
    }

    /// <summary>s of every column, [outputs]; 1 where a column is 0.</summary>
    private static Tensor Scales(Tensor weight)
    {
        var scales = weight.detach().cpu().to(ScalarType.Float32).abs().amax([1]).Div(sbyte.MaxValue);
        return where(scales.Gt(0), scales, ones_like(scales));
    }

    private static void WriteQuantized(Tensor weight, Stream stream)
    {
        using var scope = NewDisposeScope();
        var q = weight.detach().cpu().to(ScalarType.Float32).div(Scales(weight).unsqueeze(1)).round().Clamp(-sbyte.MaxValue, sbyte.MaxValue);
        OnnxTensor.WriteTo(stream, q.to(ScalarType.Int8).t());
    }
}
