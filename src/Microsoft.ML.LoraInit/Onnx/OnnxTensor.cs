using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Onnx;

/// <summary>A constant of a graph; its values are asked for when they are written.</summary>
/// <param name="Name">Unique in its graph.</param>
/// <param name="Type">The elements' type.</param>
/// <param name="Shape">Empty for a scalar.</param>
/// <param name="Write">Writes the elements, row by row, little-endian.</param>
internal sealed record OnnxTensor(string Name, OnnxType Type, IReadOnlyList<long> Shape, Action<Stream> Write)
{
    private const int BufferSize = 80_000;

    /// <summary>The length of what <see cref="Write"/> writes.</summary>
    public long Bytes => Shape.Aggregate(Size(Type), (size, dimension) => checked(size * dimension));

    /// <summary>A weight in fp32. The tensor must live until the graph is written.</summary>
    public static OnnxTensor Of(string name, Tensor value) => new(name, OnnxType.Float, value.shape, stream =>
    {
        using var scope = NewDisposeScope();
        WriteTo(stream, value.detach().cpu().to(ScalarType.Float32));
    });

    /// <summary>Writes a tensor's elements row by row.</summary>
    public static void WriteTo(Stream stream, Tensor value)
    {
        using var rows = value.contiguous();
        rows.WriteBytesToStream(stream, BufferSize);
    }

    /// <summary>A vector of integers: axes, a shape, indices.</summary>
    public static OnnxTensor Of(string name, params long[] values) =>
        new(name, OnnxType.Int64, [values.Length], stream => stream.Write(MemoryMarshal.AsBytes(values.AsSpan())));

    public static OnnxTensor Scalar(string name, long value) =>
        new(name, OnnxType.Int64, [], stream => stream.Write(MemoryMarshal.AsBytes([value])));

    /// <summary>A vector.</summary>
    public static OnnxTensor OfFloats(string name, float[] values) =>
        new(name, OnnxType.Float, [values.Length], stream => stream.Write(MemoryMarshal.AsBytes<float>(values)));

    public static OnnxTensor Scalar(string name, float value) =>
        new(name, OnnxType.Float, [], stream => stream.Write(MemoryMarshal.AsBytes([value])));

    private static long Size(OnnxType type) => type switch
    {
        OnnxType.Float => sizeof(float),
        OnnxType.Int64 => sizeof(long),
        _ => sizeof(sbyte),
    };
}
