using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Steps;

/// <summary>What a training step is measured on. Unless said otherwise LoRA r = 8 on query and value, plus the head; AdamW; clip 1.0.</summary>
internal sealed record StepSetup
{
    public const int Classes = 2;
    private const int Seed = 7;

    public required string Shape { get; init; }

    public required int Batch { get; init; }

    /// <summary>Tokens of every row, special ones included.</summary>
    public required int Length { get; init; }

    /// <summary><c>bf16</c> or <c>fp32</c>.</summary>
    public required string Precision { get; init; }

    public required double Dropout { get; init; }

    public required Device Device { get; init; }

    /// <summary>Devices that share every batch with <see cref="Device"/>.</summary>
    public IReadOnlyList<Device> OtherDevices { get; init; } = [];

    public int Rank { get; init; } = 8;

    /// <summary>How the adapters start, as text that <see cref="LoraInitialization.Parse"/> reads.</summary>
    public string Initialization { get; init; } = "kaiming";

    /// <summary>What is trained, as text that <see cref="FineTuningMethod.Parse"/> reads.</summary>
    public string Method { get; init; } = "lora";

    /// <summary>Adapted layers, counted from the top; null for all.</summary>
    public int? AdaptedLayers { get; init; }

    public double LearningRate { get; init; } = 1e-3;

    public int Warmup { get; init; } = 10;

    /// <summary>Steps of one timed block.</summary>
    public int Steps { get; init; } = 50;

    /// <summary>Timed blocks; the result is their median.</summary>
    public int Blocks { get; init; } = 3;

    public int Rows => Batch * (Warmup + (Steps * Blocks));

    public ScalarType Type => Precision == "bf16" ? ScalarType.BFloat16 : ScalarType.Float32;

    public double Alpha => 2 * Rank;

    /// <summary>Rows of random tokens, with random labels.</summary>
    /// <param name="vocabulary">Number of tokens.</param>
    /// <param name="rows">How many; null for <see cref="Rows"/>.</param>
    public TextDataset Data(int vocabulary, int? rows = null)
    {
        const int FirstOrdinaryToken = 4;
        var random = new SeededRandom(Seed);
        var texts = new EncodedText[rows ?? Rows];
        for (int row = 0; row < texts.Length; row++)
        {
            var ids = new int[Length];
            for (int i = 1; i < Length - 1; i++)
                ids[i] = FirstOrdinaryToken + random.Next(vocabulary - FirstOrdinaryToken);
            ids[^1] = 2;
            texts[row] = new(ids);
        }
        return new(texts, [.. texts.Select(_ => (float)random.Next(Classes))], null);
    }

    /// <summary>What makes two rows of results comparable.</summary>
    public SortedDictionary<string, object> Configuration()
    {
        var result = new SortedDictionary<string, object>(StringComparer.Ordinal)
        {
            ["shape"] = Shape,
            ["batch"] = Batch,
            ["length"] = Length,
            ["precision"] = Precision,
            ["dropout"] = Dropout,
            ["device"] = Device.type == TorchSharp.DeviceType.CUDA ? "cuda" : "cpu",
        };
        // The others that are compared know no other start.
        if (Initialization != "kaiming")
            result["init"] = Initialization;
        if (Method != "lora")
            result["method"] = Method;
        return result;
    }
}
