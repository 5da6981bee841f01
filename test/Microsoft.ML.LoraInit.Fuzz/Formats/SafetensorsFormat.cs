using Microsoft.ML.LoraInit.Checkpoints;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fuzz.Formats;

/// <summary>A safetensors file with tensors of every type.</summary>
internal sealed class SafetensorsFormat : FuzzFormat
{
    private const string File = "file.safetensors";

    private static readonly ScalarType[] Types =
        [ScalarType.Float64, ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16, ScalarType.Int64, ScalarType.Int32, ScalarType.Int16, ScalarType.Int8, ScalarType.Byte, ScalarType.Bool];

    public override string Name => "safetensors";

    public override IReadOnlyList<IReadOnlyDictionary<string, byte[]>> Seeds { get; } = [new Dictionary<string, byte[]> { [File] = Content() }];

    public override bool Read(string folder)
    {
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(Path.Combine(folder, File));
        return file.Names.All(n => Material.Finite([file.Read(n, ScalarType.Float64).abs().sum().item<double>() is var sum && double.IsFinite(sum) ? 0 : float.NaN]));
    }

    private static byte[] Content()
    {
        using var scope = NewDisposeScope();
        using var stream = new MemoryStream();
        var tensors = Types.ToDictionary(t => $"t.{t}", t => arange(6).to(t).reshape(2, 3));
        tensors["scalar"] = tensor(1.5f);
        tensors["empty"] = zeros(0, 4);
        SafetensorsWriter.Write(stream, tensors, new Dictionary<string, string> { ["format"] = "pt" });
        return stream.ToArray();
    }
}
