using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Tests.Cuda;
using Microsoft.ML.LoraInit.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Inference;

/// <summary>Passes that are recorded by shape, on the CPU with recordings that are the work itself.</summary>
[TestClass]
public sealed class RecordedPassesTests : IDisposable
{
    private readonly MergedModel _model = new(RandomModel.Config, RandomModel.Weights(RandomModel.Config));
    private readonly Recorder _recorder = new();

    public void Dispose() => _model.Dispose();

    [TestMethod]
    public void RowsHaveThePlainPassesLogitsWhateverCameBefore()
    {
        using var passes = Passes();
        using var plain = new RobertaPredictor(RandomModel.Config, RandomModel.Weights(RandomModel.Config));
        var texts = RandomModel.Texts(60, RandomModel.Config);
        for (int count = 1; count <= 5; count++)
            for (int start = 0; start + count <= texts.Length; start += count)
            {
                int[] rows = [.. Enumerable.Range(start, count)];
                var expected = plain.Predict([.. rows.Select(row => texts[row])]);
                if (Logits(passes, texts, rows) is { } actual)
                    for (int i = 0; i < count; i++)
                        for (int j = 0; j < RandomModel.Outputs; j++)
                            Assert.AreEqual(expected[i][j], actual[(i * RandomModel.Outputs) + j], 1e-4f, $"rows {start} to {start + count}, row {i}");
            }
        Assert.IsTrue(_recorder.Replays > 50, $"{_recorder.Replays} replays");
        Assert.IsTrue(passes.Recorded is > 5 and < 20, $"{passes.Recorded} shapes");
    }

    [TestMethod]
    public void AShapeThatComesAgainIsRecorded()
    {
        using var passes = Passes();
        var text = Text(20);
        var answers = Enumerable.Range(0, 3).Select(_ => Logits(passes, [text], [0]) is not null).ToArray();
        CollectionAssert.AreEqual(new[] { false, true, true }, answers);
        Assert.AreEqual(1, _recorder.Recordings);
        Assert.IsNull(Logits(passes, [Text(40)], [0]), "Another length is another shape.");
        Assert.IsNotNull(Logits(passes, [Text(17)], [0]), "17 tokens are padded to 24, as 20 are.");
        Assert.IsNull(Logits(passes, [Text(16)], [0]), "16 are not.");
    }

    [TestMethod]
    [DataRow(64, 33, 128, 16384)]
    [DataRow(65, 1, 10, 16384)]
    [DataRow(5, 5, 100, 1000)] // 8 rows of 128 tokens
    public void LargeBatchesAndLargeCallsGoCallByCall(int texts, int rows, int tokens, int limit)
    {
        var config = RandomModel.Config with { MaxPositions = 130 };
        using var model = new MergedModel(config, RandomModel.Weights(config));
        using var passes = new RecordedPasses(model, config, _recorder, () => true, limit);
        for (int i = 0; i < 10; i++)
            Assert.IsNull(Logits(passes, [.. Enumerable.Repeat(Text(tokens), texts)], [.. Enumerable.Range(0, rows)]));
        Assert.AreEqual(0, _recorder.Recordings);
    }

    [TestMethod]
    public void WhatCannotBeRecordedIsTriedAFewTimes()
    {
        using var passes = Passes();
        _recorder.Why = "not today";
        for (int i = 0; i < 10; i++)
            Assert.IsNull(Logits(passes, [Text(20)], [0]));
        Assert.AreEqual(RecordedPasses.MaxAttempts, _recorder.Recordings);
    }

    [TestMethod]
    public void WhileOthersAreInTheWayItIsTriedAgainAndAgain()
    {
        using var passes = Passes();
        _recorder.IsBusy = true;
        for (int i = 0; i < 10; i++)
            Assert.IsNull(Logits(passes, [Text(20)], [0]));
        _recorder.IsBusy = false;
        Assert.IsNotNull(Logits(passes, [Text(20)], [0]));
    }

    [TestMethod]
    public void AThreadWithAStreamOfItsOwnGoesCallByCall()
    {
        var may = true;
        using var passes = new RecordedPasses(_model, RandomModel.Config, _recorder, () => may, RecordedPasses.MaxTokens);
        for (int i = 0; i <= RecordedPasses.CallsBefore; i++)
            Logits(passes, [Text(20)], [0]);
        may = false;
        Assert.IsNull(Logits(passes, [Text(20)], [0]));
        may = true;
        Assert.IsNotNull(Logits(passes, [Text(20)], [0]));
    }

    [TestMethod]
    public void ThreadsGetTheirOwnRows()
    {
        using var passes = Passes();
        var texts = RandomModel.Texts(40, RandomModel.Config);
        var alone = new float[]?[texts.Length];
        for (int round = 0; round < 5; round++)
            for (int row = 0; row < texts.Length; row++)
                alone[row] = Logits(passes, texts, [row]);
        Parallel.For(0, 400, i =>
        {
            int row = i * 7 % texts.Length;
            if (alone[row] is { } expected)
                CollectionAssert.AreEqual(expected, Logits(passes, texts, [row]));
        });
    }

    [TestMethod]
    public void RecordingsEndWithTheModel()
    {
        var passes = Passes();
        for (int i = 0; i <= RecordedPasses.CallsBefore; i++)
            Logits(passes, [Text(20)], [0]);
        passes.Dispose();
        Assert.AreEqual(0, _recorder.Alive);
    }

    private static EncodedText Text(int tokens) => new([0, .. Enumerable.Range(0, tokens - 2).Select(i => 5 + (i % 80)), 2]);

    private static float[]? Logits(RecordedPasses passes, EncodedText[] texts, int[] rows)
    {
        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        return passes.TryForward(texts, rows)?.data<float>().ToArray();
    }

    private RecordedPasses Passes() => new(_model, RandomModel.Config, _recorder, () => true, RecordedPasses.MaxTokens);
}
