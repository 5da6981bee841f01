using System.CommandLine;
using System.Diagnostics;
using System.Text;
using Microsoft.ML.LoraInit.Benchmarks.Models;
using Microsoft.ML.LoraInit.Benchmarks.Reporting;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Tokenization;
using Microsoft.ML.LoraInit.Tokenization.SentencePiece;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Benchmarks.Pipelines;

/// <summary><c>languages</c>: an XLM-RoBERTa's vocabulary of 250,002 beside a RoBERTa's, in speed, and what memory it takes.</summary>
internal static class LanguagesBenchmark
{
    private const string Load = "load", Score = "score", ScoreBFloat16 = "score-bf16", Embed = "embed", Train = "train", Speed = "speed";
    private const int Vocabulary = 250_002;

    public static CliCommand Create()
    {
        var command = new CliCommand("languages", "An XLM-RoBERTa with random weights: rows a second beside a RoBERTa of the same encoder and the same row lengths (speed), or the most memory of one stage, each in a process of its own.");
        var stage = new Option<string>("--stage") { DefaultValueFactory = _ => Speed }.AcceptOnlyFromAmong(Speed, Load, Score, ScoreBFloat16, Embed, Train);
        var shape = new Option<string>("--shape") { Description = "Of the encoder.", DefaultValueFactory = _ => "mini" }.AcceptOnlyFromAmong(ModelShape.Names);
        var pieces = new Option<string>("--sentencepiece") { Description = "A sentencepiece.bpe.model, whose pieces are among the 250,002.", HelpName = "FILE", Required = true };
        var bpe = new Option<string>("--roberta") { Description = "Folder of a RoBERTa's vocab.json and merges.txt.", HelpName = "DIR", Required = true };
        var length = new Option<int>("--length") { Description = "Tokens a row.", DefaultValueFactory = _ => 64 };
        var rows = new Option<int>("--rows") { DefaultValueFactory = _ => 512 };
        var repeats = new Option<int>("--repeats") { Description = "Passes of each kind, in turn; the medians count.", DefaultValueFactory = _ => 5 };
        foreach (var option in (Option[])[stage, shape, pieces, bpe, length, rows, repeats])
            command.Options.Add(option);
        CommonOptions.Attach(command, (result, _, _) =>
        {
            var folder = Directory.CreateTempSubdirectory("lorainit-languages-").FullName;
            try
            {
                var xlmr = Path.Combine(folder, "xlmr");
                ModelShape.Write(result.GetRequiredValue(shape), 0.1, Sources(folder, result.GetRequiredValue(pieces)), xlmr, Vocabulary, "xlm-roberta", ScalarType.Float32);
                if (result.GetRequiredValue(stage) == Speed)
                    Compare(result.GetRequiredValue(shape), result.GetRequiredValue(bpe), folder, xlmr, result.GetValue(length), result.GetValue(rows), result.GetValue(repeats));
                else
                    Memory(result.GetRequiredValue(stage), xlmr);
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        });
        return command;
    }

    /// <summary>A SentencePiece model as large as XLM-R's: the given pieces and made-up words behind them.</summary>
    private static string Sources(string folder, string pieces)
    {
        var given = SentencePieceModel.Read(File.ReadAllBytes(pieces), pieces);
        var random = new Random(1);
        var all = given.Pieces.ToDictionary(p => p.Text, p => p.Score, StringComparer.Ordinal);
        var word = new StringBuilder();
        while (all.Count < Vocabulary - 2)
        {
            word.Clear();
            if (random.Next(2) == 0)
                word.Append('\u2581');
            for (int i = random.Next(3, 10); i > 0; i--)
                word.Append((char)('a' + random.Next(26)));
            all.TryAdd(word.ToString(), (float)(-12 - random.NextDouble()));
        }
        var source = Path.Combine(folder, "source");
        Directory.CreateDirectory(source);
        File.WriteAllBytes(Path.Combine(source, TokenizerNames.SentencePiece), new SentencePieceModel([.. all.Select(p => (p.Key, p.Value))], given.Charsmap).ToBytes());
        return source;
    }

    private static void Compare(string shape, string bpe, string folder, string xlmr, int length, int rows, int repeats)
    {
        var roberta = Path.Combine(folder, "roberta");
        ModelShape.Write(shape, 0.1, bpe, roberta);
        // Long enough that either tokenizer cuts it: every row has the same length in both.
        var random = new Random(2);
        string[] words = ["the", "house", "river", "between", "morning", "question", "people", "under", "small", "weather", "garden", "machine", "water"];
        TextPair[] texts = [.. Enumerable.Range(0, rows).Select(_ => new TextPair(string.Join(' ', Enumerable.Range(0, length).Select(_ => words[random.Next(words.Length)])), null))];
        using var one = Model(RobertaCheckpoint.FromDirectory(roberta), length);
        using var other = Model(RobertaCheckpoint.FromDirectory(xlmr), length);
        var times = new Dictionary<string, List<double>> { ["roberta"] = [], ["xlm-roberta"] = [] };
        for (int i = 0; i <= repeats; i++)
            foreach (var (name, model) in new[] { ("roberta", one), ("xlm-roberta", other) })
            {
                var started = Stopwatch.GetTimestamp();
                model.Scorer.Score(texts);
                if (i > 0) // the first warms up
                    times[name].Add(Stopwatch.GetElapsedTime(started).TotalSeconds);
            }
        foreach (var (name, all) in times)
            Console.Out.WriteLine($"{name}: {rows / Median(all):0.0} rows a second of {length} tokens, tokenising included (shape {shape}, vocabulary {(name == "roberta" ? one : other).State.Config.VocabularySize})");
        Console.Out.WriteLine($"xlm-roberta / roberta: {Median(times["roberta"]) / Median(times["xlm-roberta"]):0.000}");
    }

    private static void Memory(string stage, string folder)
    {
        var checkpoint = RobertaCheckpoint.FromDirectory(folder);
        double weights;
        using (var files = checkpoint.Open(null, CancellationToken.None))
            weights = EncoderTensors.Expected(files.Config).Sum(t => t.Shape.Aggregate(4.0, (size, n) => size * n));
        GC.Collect();
        Reset();
        long before = Process.GetCurrentProcess().WorkingSet64;
        var started = Stopwatch.GetTimestamp();
        switch (stage)
        {
            case Load:
                using (var files = checkpoint.Open(null, CancellationToken.None))
                using (files.LoadWeights(CPU, ScalarType.Float32))
                    Say("loaded");
                break;
            case Train:
                Fit(checkpoint);
                Say("trained");
                break;
            default:
                using (var model = Model(checkpoint, 64, stage == ScoreBFloat16 ? Precision.BFloat16 : Precision.Float32, stage == Embed))
                {
                    Say("made");
                    model.Scorer.Score([.. Enumerable.Repeat(new TextPair("A text of a few words, to be scored.", null), 64)]);
                    GC.Collect();
                    Say("scored");
                }
                break;
        }

        void Say(string what)
        {
            using var process = Process.GetCurrentProcess();
            Console.Out.WriteLine($"{stage}, {what} after {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s: at most {(process.PeakWorkingSet64 - before) / 1e6:0} MB, now {(process.WorkingSet64 - before) / 1e6:0} MB beside the {before / 1e6:0} MB before; weights {weights / 1e6:0} MB in fp32; at most {(process.PeakWorkingSet64 - before) / weights:0.00} times the weights");
        }
    }

    // The peak begins anew (Linux).
    private static void Reset()
    {
        if (OperatingSystem.IsLinux())
            File.WriteAllText("/proc/self/clear_refs", "5");
    }

    private static FineTunedModel Model(RobertaCheckpoint checkpoint, int length, Precision precision = Precision.Float32, bool embeds = false) =>
        Embeddings.EmbeddingModels.Of(checkpoint, null, new() { MaxLength = length, Precision = precision, SaveMode = ModelSaveMode.AdapterOnly, Pooling = embeds ? SentencePooling.Mean : SentencePooling.FirstToken }, CPU);

    private static void Fit(RobertaCheckpoint checkpoint)
    {
        var ml = new MLContext(seed: 0);
        var rows = ml.Data.LoadFromEnumerable(Enumerable.Range(0, 64).Select(i => new Row { Text = $"A text of a few words, number {i}.", Label = i % 2 == 0 }));
        using var model = ml.BinaryClassification.Trainers.LoraTextClassification(new LoraBinaryTextClassificationTrainer.Options { BaseModel = checkpoint, MaxEpochs = 1, BatchSize = 16, MaxLength = 64 }).Fit(rows);
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    internal sealed class Row
    {
        public string Text { get; set; } = "";

        public bool Label { get; set; }
    }
}
