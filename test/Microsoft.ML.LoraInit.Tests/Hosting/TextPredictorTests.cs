using System.Runtime.CompilerServices;
using Microsoft.ML.LoraInit.Hosting;
using Microsoft.ML.LoraInit.Tests.Hosts;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Hosting;

/// <summary>Questions to a hosted model, whatever scores it.</summary>
[TestClass]
[DoNotParallelize]
public sealed class TextPredictorTests
{
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public async Task ARowABatchAndAStreamGetTheModelsAnswersInOrder(bool onnx)
    {
        await using var host = Host(onnx);
        var one = await host.Predictor.PredictAsync(Topics.Rows[5]);
        var batch = await host.Predictor.PredictAsync([.. Topics.Rows]);
        var stream = await Read(host.Predictor.PredictAsync(Rows(), CancellationToken.None));

        Assert.AreEqual(onnx ? "OnnxTextTransformer" : "LoraTextClassificationTransformer", host.Predictor.Current!.Engine);
        Assert.IsTrue(SavedModel.First.Says(Topics.Rows[5].Text, one.Score));
        foreach (var answers in (IReadOnlyList<Topics.Prediction>[])[batch, stream])
        {
            Assert.AreEqual(Topics.Rows.Count, answers.Count);
            for (int i = 0; i < answers.Count; i++)
                Assert.IsTrue(SavedModel.First.Says(Topics.Rows[i].Text, answers[i].Score), Topics.Rows[i].Text);
        }
    }

    [TestMethod]
    [DataRow(false, WordAttributionMethod.IntegratedGradients)]
    [DataRow(true, WordAttributionMethod.LeftOut)]
    public async Task AWordThatTellsTheTopicRaisesItsScore(bool onnx, WordAttributionMethod method)
    {
        await using var host = Host(onnx);
        const string Text = "The striker scored in the last minute.";
        var explanation = await host.Predictor.ExplainAsync(new() { Text = Text });

        int sport = explanation.Outputs.ToList().IndexOf("sport");
        Assert.AreEqual(method, explanation.Method);
        CollectionAssert.AreEquivalent((string[])["food", "sport", "weather"], explanation.Outputs.ToArray());
        Assert.IsTrue(explanation.Words.All(w => Text.Substring(w.Start, w.Length) == w.Text && w.Attributions.Count == 3 && !w.IsSecondText));
        CollectionAssert.IsSubsetOf((string[])["striker", "minute"], explanation.Words.Select(w => w.Text).ToArray());
        Assert.IsTrue(explanation.Words.Where(w => w.Text is "striker" or "scored" or "minute").Sum(w => w.Attributions[sport]) > 0);
    }

    [TestMethod]
    public async Task OptionsOfGradientsAreRefusedWhereThereAreNone()
    {
        await using var host = Host(onnx: true);
        var error = await Assert.ThrowsExactlyAsync<ArgumentException>(() => host.Predictor.ExplainAsync(Topics.Rows[0], new()));
        StringAssert.Contains(error.Message, "OnnxTextTransformer");
    }

    [TestMethod]
    public async Task ASlowStreamIsAnsweredRowByRow()
    {
        await using var host = Host(onnx: false);
        var answered = new SemaphoreSlim(1);
        await foreach (var prediction in host.Predictor.PredictAsync(OneByOne(answered), CancellationToken.None))
        {
            Assert.AreEqual(3, prediction.Score.Length);
            answered.Release(); // Only then does the stream have another row.
        }
    }

    [TestMethod]
    public async Task AStreamThatFailsGivesWhatCameBeforeAndThenItsError()
    {
        await using var host = Host(onnx: false);
        var answers = new List<Topics.Prediction>();
        var error = await Assert.ThrowsExactlyAsync<FormatException>(async () =>
        {
            await foreach (var prediction in host.Predictor.PredictAsync(Broken(), CancellationToken.None))
                answers.Add(prediction);
        });
        Assert.AreEqual("the third row", error.Message);
        Assert.AreEqual(2, answers.Count);
    }

    [TestMethod]
    public async Task AReaderThatStopsEndsTheStream()
    {
        await using var host = Host(onnx: false);
        bool ended = false;
        await foreach (var _ in host.Predictor.PredictAsync(Endless(() => ended = true), CancellationToken.None))
            break;
        Assert.IsTrue(ended);
    }

    [TestMethod]
    public async Task CallsBeyondTheQueueAreRefusedAndCancelledOnesLeaveIt()
    {
        using var gate = new ManualResetEventSlim(true);
        await using var host = Host(onnx: false, o => (o.MaxConcurrency, o.MaxQueue) = (1, 1));
        await host.Predictor.WaitForFirstLoadAsync();
        gate.Reset();
        var slow = host.Predictor.PredictAsync(new GatedRows(gate)); // Holds the only place until the gate opens.
        using var stop = new CancellationTokenSource();
        var queued = host.Predictor.PredictAsync(Topics.Rows[0], stop.Token);
        await Assert.ThrowsExactlyAsync<PredictionQueueFullException>(() => host.Predictor.PredictAsync(Topics.Rows[0]));
        await stop.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => queued);
        queued = host.Predictor.PredictAsync(Topics.Rows[0]);
        gate.Set();
        Assert.AreEqual(3, (await queued).Score.Length);
        Assert.AreEqual(2, (await slow).Count);
    }

    [TestMethod]
    public async Task NothingIsAnsweredAfterTheServicesAreGone()
    {
        var host = Host(onnx: false);
        var predictor = host.Predictor;
        await predictor.PredictAsync(Topics.Rows[0]);
        await host.DisposeAsync();
        await Assert.ThrowsExactlyAsync<ObjectDisposedException>(() => predictor.PredictAsync(Topics.Rows[0]));
    }

    private static HostedTopics Host(bool onnx, Action<LoraTextOptions<Topics.Row>>? change = null) => new(SavedModel.First, o =>
    {
        o.Prepare = onnx ? model => model.ToOnnxRuntime() : null;
        change?.Invoke(o);
    });

    private static async Task<List<Topics.Prediction>> Read(IAsyncEnumerable<Topics.Prediction> stream)
    {
        var all = new List<Topics.Prediction>();
        await foreach (var prediction in stream)
            all.Add(prediction);
        return all;
    }

    private static async IAsyncEnumerable<Topics.Row> Rows()
    {
        for (int i = 0; i < Topics.Rows.Count; i++)
        {
            if (i % 10 == 0)
                await Task.Yield();
            yield return Topics.Rows[i];
        }
    }

    private static async IAsyncEnumerable<Topics.Row> OneByOne(SemaphoreSlim answered)
    {
        for (int i = 0; i < 4; i++)
        {
            Assert.IsTrue(await answered.WaitAsync(TimeSpan.FromMinutes(2)), "the row before was not answered");
            yield return Topics.Rows[i];
        }
    }

    private static async IAsyncEnumerable<Topics.Row> Broken()
    {
        yield return Topics.Rows[0];
        yield return Topics.Rows[1];
        await Task.Yield();
        throw new FormatException("the third row");
    }

    private static async IAsyncEnumerable<Topics.Row> Endless(Action ended, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        try
        {
            for (int i = 0; ; i++)
            {
                if (i > 0)
                    await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
                yield return Topics.Rows[0];
            }
        }
        finally
        {
            ended();
        }
    }

    /// <summary>Two rows, the second of which is there when the gate is open.</summary>
    internal sealed class GatedRows(ManualResetEventSlim gate) : IReadOnlyList<Topics.Row>
    {
        public int Count => 2;

        public Topics.Row this[int index] => Topics.Rows[index];

        public IEnumerator<Topics.Row> GetEnumerator()
        {
            yield return Topics.Rows[0];
            gate.Wait();
            yield return Topics.Rows[1];
        }

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
