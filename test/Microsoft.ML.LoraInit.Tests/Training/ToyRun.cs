using Microsoft.ML.LoraInit.Data;
using Microsoft.ML.LoraInit.Data.Tasks;
using Microsoft.ML.LoraInit.Roberta;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.LoraInit.Training;
using TorchSharp;

namespace Microsoft.ML.LoraInit.Tests.Training;

/// <summary>Small fine-tuning runs on the embedded model, with made-up tokens in the place of text.</summary>
internal static class ToyRun
{
    private static readonly Lazy<BaseWeights> Mini = new(() =>
    {
        using var files = RobertaCheckpoint.Mini.Open(null, CancellationToken.None);
        return files.LoadWeights(torch.CPU, torch.ScalarType.Float32);
    });

    /// <summary>The embedded base in fp32 on the CPU, loaded once for all tests.</summary>
    public static BaseWeights Base => Mini.Value;

    /// <summary>Options that learn the toy tasks in seconds.</summary>
    public static T Options<T>(Action<T>? change = null)
        where T : LoraTrainerOptions, new()
    {
        var options = new T { BatchSize = 8, MaxEpochs = 2, InitialLearningRate = 3e-3, WarmupRatio = 0, Rank = 4, Alpha = 8 };
        change?.Invoke(options);
        return options;
    }

    public static FineTuningRequest Request(Action<ToyOptions>? change = null, int rows = 32, int validationRows = 0, TextTask? task = null, int seed = 1)
    {
        task ??= new MulticlassTask(3);
        var options = Options(change);
        return new()
        {
            Settings = options.ToSettings(),
            Progress = options.Progress,
            CancellationToken = options.CancellationToken,
            Task = task,
            Train = Rows(rows, task, 7),
            Validation = validationRows == 0 ? null : Rows(validationRows, task, 8),
            Base = Base,
            Seed = seed,
        };
    }

    /// <summary>Rows of 4 to 12 random tokens, of which those of each class come from a range of their own.</summary>
    public static TextDataset Rows(int count, TextTask task, int seed, bool weighted = false)
    {
        var random = new SeededRandom(SeededRandom.Hash(seed, "toy rows"));
        var texts = new EncodedText[count];
        var labels = new float[count];
        for (int i = 0; i < count; i++)
        {
            var kind = i % Math.Max(2, task.OutputCount);
            var ids = new int[4 + random.Next(9)];
            for (int j = 1; j < ids.Length - 1; j++)
                ids[j] = 500 + 1000 * kind + random.Next(12);
            (ids[0], ids[^1]) = (0, 2);
            texts[i] = new(ids);
            labels[i] = task is RegressionTask ? 2 * kind + 0.05f * random.Next(4) : kind;
        }
        return new(texts, labels, weighted ? [.. labels.Select((_, i) => 0.25f + i % 3)] : null);
    }

    /// <summary>The trained (and kept initial) values by name, read out.</summary>
    public static Dictionary<string, float[]> Weights(FineTuningResult trained) =>
        trained.State.Tensors.ToDictionary(t => t.Key, t => t.Value.data<float>().ToArray());

    /// <summary>Logits of the trained model, adapters on.</summary>
    public static float[][] Logits(FineTuningResult trained, TextDataset rows, TextTask task)
    {
        using var model = trained.State.Rebuild(Base);
        return Validation.Logits(model, rows, task, 8, _ => { });
    }

    public static void AssertSameBits(Dictionary<string, float[]> expected, Dictionary<string, float[]> actual)
    {
        CollectionAssert.AreEquivalent(expected.Keys, actual.Keys);
        foreach (var (name, values) in expected)
            Assert.IsTrue(values.AsSpan().SequenceEqual(actual[name]), $"'{name}' differs.");
    }

    /// <summary>Options without a trainer.</summary>
    public sealed class ToyOptions : LoraTrainerOptions;

    private static ToyOptions Options(Action<ToyOptions>? change) => Options<ToyOptions>(change);
}
