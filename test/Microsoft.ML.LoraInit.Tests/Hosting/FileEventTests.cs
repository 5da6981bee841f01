using Microsoft.ML.LoraInit.Hosting;
using Microsoft.ML.LoraInit.Tests.Hosts;
using Microsoft.ML.LoraInit.Tests.Libraries;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Hosting;

/// <summary>What becomes of a model whose file changes under it, while others ask.</summary>
[TestClass]
[DoNotParallelize]
public sealed class FileEventTests
{
    [TestMethod]
    public async Task EveryEventLeavesAModelThatAnswers()
    {
        await using var host = new HostedTopics(null);
        await host.Predictor.WaitForFirstLoadAsync();
        await Assert.ThrowsExactlyAsync<ModelUnavailableException>(() => host.Predictor.PredictAsync(Topics.Rows[0]));

        File.WriteAllBytes(host.ModelPath, SavedModel.First.Bytes); // created
        await Serves(host, SavedModel.First);
        using var asking = new Asking(host);
        foreach (var change in FileEvents.All)
        {
            Console.WriteLine(change.Name);
            change.Apply(host.ModelPath);
            if (change.Serves is { } next)
                await Serves(host, next());
            else
                await host.WaitUntil(m => m.Problem is not null, change.Name);
            Assert.IsTrue(await host.Says(SavedModel.First) || await host.Says(SavedModel.Second), change.Name);
        }
        Assert.AreEqual("", await asking.End());
    }

    [TestMethod]
    public async Task ANewModelThatAnswersWithNaNIsRefusedByName()
    {
        await using var host = new HostedTopics(SavedModel.First);
        await Serves(host, SavedModel.First);
        FileEvents.MoveOver(host.ModelPath, FileEvents.NotFinite);
        await host.WaitUntil(m => m.Problem is not null, "the refusal");

        Assert.IsTrue(host.Log.Entries.Any(e => e.Message.Contains("not finite: Score", StringComparison.Ordinal)), string.Join('\n', host.Log.Entries));
        Assert.IsTrue(await host.Says(SavedModel.First));
    }

    [TestMethod]
    public async Task ATouchedFileIsNotLoadedAgain()
    {
        await using var host = new HostedTopics(SavedModel.First);
        await Serves(host, SavedModel.First);
        var before = host.Predictor.Current;
        File.SetLastWriteTimeUtc(host.ModelPath, DateTime.UtcNow.AddHours(1));
        await Task.Delay(300);
        Assert.AreSame(before, host.Predictor.Current);
    }

    [TestMethod]
    public async Task ContentOfTheSameTimeAndLengthIsFoundInTheEnd()
    {
        await using var host = new HostedTopics(SavedModel.First, o => o.ContentCheckInterval = TimeSpan.FromMilliseconds(50));
        await Serves(host, SavedModel.First);
        var time = File.GetLastWriteTimeUtc(host.ModelPath);
        var changed = (byte[])SavedModel.First.Bytes.Clone();
        changed[changed.Length / 2] ^= 1;
        File.WriteAllBytes(host.ModelPath, changed);
        File.SetLastWriteTimeUtc(host.ModelPath, time);
        await host.WaitUntil(m => m.Problem is not null, "the changed content");
        Assert.IsTrue(await host.Says(SavedModel.First));
    }

    [TestMethod]
    public async Task AReplacedModelFinishesWhatItBeganAndIsDisposedOfThen()
    {
        using var gate = new ManualResetEventSlim(false);
        await using var host = new HostedTopics(SavedModel.First);
        await Serves(host, SavedModel.First);
        using var metrics = new MetricList();
        var text = SavedModel.Texts[0];
        var rows = new Gated(gate, text);
        var begun = host.Predictor.PredictAsync(rows);
        Assert.IsTrue(rows.Begun.Wait(TimeSpan.FromMinutes(2)), "it has its model");
        SavedModel.Second.MoveTo(host.ModelPath);
        await Serves(host, SavedModel.Second);
        Assert.AreEqual(1, metrics.Sum("loratext.models"), "one more: the model before is in use");
        gate.Set();

        foreach (var answer in await begun)
            Assert.IsTrue(SavedModel.First.Says(text, answer.Score), "a call is answered by one model");
        Assert.IsTrue(SpinWait.SpinUntil(() => metrics.Sum("loratext.models") == 0, TimeSpan.FromMinutes(2)));
    }

    [TestMethod]
    public async Task ALibraryOfAdaptersIsServedAndAsksForTrialRows()
    {
        using var folder = new TemporaryFolder();
        using var library = AdapterLibrary.Create(RobertaCheckpoint.Mini);
        using var model = MadeUpModels.Create("plain", MadeUpModels.Multiclass("a", "b"), 3);
        library.Add("letters", model);
        var ml = new MLContext();
        ml.Model.Save(library.CreateTransformer(), null, folder.File("library.mlnet"));

        using var without = Predictor<LibraryRow, AdapterAnswer>(folder.File("library.mlnet"), []);
        var error = await Assert.ThrowsExactlyAsync<ModelUnavailableException>(() => without.PredictAsync(new LibraryRow { Text = "x", Adapter = "letters" }));
        StringAssert.Contains(error.Message, "not a model of this service");
        using var with = Predictor<LibraryRow, AdapterAnswer>(folder.File("library.mlnet"), [new() { Text = "x", Adapter = "letters" }]);
        var answer = await with.PredictAsync(new LibraryRow { Text = "The soup.", Adapter = "letters" });
        Assert.AreEqual(library.Predict("letters", "The soup.").PredictedLabel, answer.PredictedLabel);
    }

    private static Microsoft.ML.LoraInit.Hosting.Serving.TextPredictor<TInput, TPrediction> Predictor<TInput, TPrediction>(string path, TInput[] trial)
        where TInput : class
        where TPrediction : class, new()
    {
        var options = new LoraTextOptions<TInput> { ModelPath = path, Reload = false };
        foreach (var row in trial)
            options.TrialInputs.Add(row);
        return new("library", new MLContext(), options, new(null), Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
    }

    private static async Task Serves(HostedTopics host, SavedModel model)
    {
        await host.WaitUntil(m => m.Problem is null && m.Current is not null && m.Current.Sha256 == model.Sha256, $"{model.Sha256} serves");
        Assert.IsTrue(await host.Says(model));
    }

    internal sealed class LibraryRow
    {
        public string Text { get; set; } = "";

        public string Adapter { get; set; } = "";
    }

    internal sealed class AdapterAnswer
    {
        public string PredictedLabel { get; set; } = "";
    }

    /// <summary>The text over and over, from the second time on when the gate is open.</summary>
    private sealed class Gated(ManualResetEventSlim gate, string text) : IReadOnlyList<Topics.Row>
    {
        public ManualResetEventSlim Begun { get; } = new(false);

        public int Count => 300;

        public Topics.Row this[int index] => new() { Text = text };

        public IEnumerator<Topics.Row> GetEnumerator()
        {
            yield return this[0];
            Begun.Set();
            gate.Wait();
            for (int i = 1; i < Count; i++)
                yield return this[i];
        }

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }

    /// <summary>Tasks that ask one question after the other, and check the answers.</summary>
    private sealed class Asking : IDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Task<string>[] _tasks;

        public Asking(HostedTopics host) => _tasks = [.. Enumerable.Range(0, 8).Select(i => Task.Run(() => Ask(host, i)))];

        /// <summary>Ends them.</summary>
        /// <returns>What was answered wrongly, or thrown.</returns>
        public async Task<string> End()
        {
            await _stop.CancelAsync();
            return string.Concat(await Task.WhenAll(_tasks));
        }

        public void Dispose()
        {
            _stop.Cancel();
            _stop.Dispose();
        }

        private async Task<string> Ask(HostedTopics host, int index)
        {
            try
            {
                for (int i = index; !_stop.IsCancellationRequested; i = (i + 1) % Topics.Rows.Count)
                {
                    var score = (await host.Predictor.PredictAsync(Topics.Rows[i])).Score;
                    if (!SavedModel.First.Says(Topics.Rows[i].Text, score) && !SavedModel.Second.Says(Topics.Rows[i].Text, score))
                        return $"Neither model says of '{Topics.Rows[i].Text}': {string.Join(' ', score)}. ";
                }
                return "";
            }
            catch (Exception e)
            {
                return e.ToString();
            }
        }
    }
}
