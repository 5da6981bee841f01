using System.Net;
using System.Net.Http.Json;
using System.Text;
using Microsoft.ML.LoraInit.Tests.Trainers;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Tests.Hosts;

[TestClass]
[DoNotParallelize]
public class WebSampleTests
{
    private static readonly string Text = SavedModel.Texts[0];

    [TestMethod]
    public async Task AnswersAsTheModelDoes()
    {
        using var folder = new TemporaryFolder();
        SavedModel.First.MoveTo(folder.File("model.mlnet"));
        await using var host = await WebHost.Start(folder.File("model.mlnet"));
        var health = await host.WaitFor(h => h.Status == "Healthy");

        Assert.AreEqual(12, health.Model!.Version.Length);
        CollectionAssert.AreEquivalent((string[])["food", "sport", "weather"], health.Model.Classes.ToArray());
        Assert.IsTrue(health.Model.LoadedAt >= health.Model.SavedAt);
        foreach (var text in SavedModel.Texts)
            Assert.IsTrue(SavedModel.First.Says(text, await host.Predict(text)), text);
        Assert.IsFalse(SavedModel.Second.Says(Text, await host.Predict(Text)), "the other model of these tests says something else");
    }

    [TestMethod]
    public async Task ReplacedFilesServeAtOnceAndLeaveNoTensorBehind()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("model.mlnet");
        _ = SavedModel.Second.Bytes;
        SavedModel.First.MoveTo(path);
        LiveTensors.Count(); // what other tests left must not be freed in between
        await using var host = await WebHost.Start(path);
        var first = await host.WaitFor(h => h.Status == "Healthy");
        await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => host.Predict(Text)));
        long tensors = Tensor.TotalCount;

        SavedModel.Second.MoveTo(path);
        var second = await host.WaitFor(h => h.Model!.Version != first.Model!.Version);
        LiveTensors.AssertFreed(tensors, "the first model goes as soon as the second serves");
        foreach (var prediction in await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => host.Predict(Text))))
            Assert.IsTrue(SavedModel.Second.Says(Text, prediction), "engines of the first model are not used again");

        SavedModel.First.MoveTo(path);
        var third = await host.WaitFor(h => h.Model!.Version != second.Model!.Version);
        LiveTensors.AssertFreed(tensors, "and so does the second");
        Assert.AreEqual(first.Model!.Version, third.Model!.Version, "the same bytes are the same version");
        foreach (var prediction in await Task.WhenAll(Enumerable.Range(0, 40).Select(_ => host.Predict(Text))))
            Assert.IsTrue(SavedModel.First.Says(Text, prediction));
        LiveTensors.AssertFreed(tensors, "answers leave none");
    }

    [TestMethod]
    public async Task AHalfWrittenFileChangesNothingUntilItIsWhole()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("model.mlnet");
        SavedModel.First.MoveTo(path);
        await using var host = await WebHost.Start(path);
        await host.WaitFor(h => h.Status == "Healthy");
        long tensors = Tensor.TotalCount;
        var next = SavedModel.Second.Bytes;

        using (var stream = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read))
        {
            for (int quarter = 0; quarter < 3; quarter++)
            {
                stream.Write(next.AsSpan(quarter * (next.Length / 4), next.Length / 4));
                stream.Flush();
                var health = await host.WaitFor(h => h.Status == "Degraded");
                StringAssert.Contains(health.Reason, "model.mlnet");
                Assert.IsFalse(health.Reason!.Contains(folder.Path, StringComparison.Ordinal), health.Reason);
                Assert.IsTrue(SavedModel.First.Says(Text, await host.Predict(Text)));
            }
            stream.Write(next.AsSpan(3 * (next.Length / 4)));
        }
        await host.WaitFor(h => h.Status == "Healthy");

        Assert.IsTrue(SavedModel.Second.Says(Text, await host.Predict(Text)));
        LiveTensors.AssertFreed(tensors, "failed attempts hold nothing");
    }

    [TestMethod]
    public async Task WithoutAModelItSaysSoUntilOneIsThere()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("model.mlnet");
        await using var host = await WebHost.Start(path);
        var health = await host.WaitFor(h => h.Reason!.Contains("There is no file", StringComparison.Ordinal));
        Assert.AreEqual("Unhealthy", health.Status);
        Assert.IsNull(health.Model);
        using (var refused = await host.Client.PostAsJsonAsync("/predict", new { text = Text }))
            Assert.AreEqual(HttpStatusCode.ServiceUnavailable, refused.StatusCode);

        File.WriteAllText(path, "no model");
        await host.WaitFor(h => h.Reason!.Contains("cannot be loaded", StringComparison.Ordinal));

        SavedModel.First.MoveTo(path);
        await host.WaitFor(h => h.Status == "Healthy");
        Assert.IsTrue(SavedModel.First.Says(Text, await host.Predict(Text)));
    }

    [TestMethod]
    public async Task AModelOfOtherColumnsIsRefusedWithItsReason()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("model.mlnet");
        SavedModel.First.MoveTo(path);
        await using var host = await WebHost.Start(path);
        await host.WaitFor(h => h.Status == "Healthy");

        var ml = Topics.Context();
        ml.Model.Save(TrainedModels.Regression, Topics.View(ml).Schema, path + ".new");
        File.Move(path + ".new", path, overwrite: true);
        var health = await host.WaitFor(h => h.Status == "Degraded");

        StringAssert.Contains(health.Reason, "not a model of this service");
        Assert.IsTrue(SavedModel.First.Says(Text, await host.Predict(Text)));
    }

    [TestMethod]
    public async Task BadRequestsAreExplained()
    {
        using var folder = new TemporaryFolder();
        SavedModel.First.MoveTo(folder.File("model.mlnet"));
        await using var host = await WebHost.Start(folder.File("model.mlnet"));
        await host.WaitFor(h => h.Status == "Healthy");

        await Refused("""{"text": ""}""", HttpStatusCode.BadRequest, "not empty");
        await Refused("""{"text": "   "}""", HttpStatusCode.BadRequest, "not empty");
        await Refused("{}", HttpStatusCode.BadRequest, "not empty");
        await Refused($$"""{"text": "{{new string('x', 10_001)}}"}""", HttpStatusCode.BadRequest, "at most 10000");
        await Refused("""{"text": """, HttpStatusCode.BadRequest, "Bad Request");
        await Refused($$"""{"text": "{{new string('x', 70_000)}}"}""", HttpStatusCode.RequestEntityTooLarge, "");
        using var get = await host.Client.GetAsync(new Uri("/predict", UriKind.Relative));
        Assert.AreEqual(HttpStatusCode.MethodNotAllowed, get.StatusCode);

        async Task Refused(string body, HttpStatusCode status, string message)
        {
            using var content = new StringContent(body, Encoding.UTF8, "application/json");
            using var response = await host.Client.PostAsync(new Uri("/predict", UriKind.Relative), content);
            Assert.AreEqual(status, response.StatusCode, body[..Math.Min(30, body.Length)]);
            StringAssert.Contains(await response.Content.ReadAsStringAsync(), message);
        }
    }

    [TestMethod]
    public async Task ThePageNeedsNothingFromElsewhere()
    {
        using var folder = new TemporaryFolder();
        await using var host = await WebHost.Start(folder.File("model.mlnet"));
        foreach (var (address, type) in ((string, string)[])[("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")])
            Assert.AreEqual(type, (await Get(address)).ContentType);

        var (html, _, policy) = await Get("/");
        var all = html + (await Get("/page.css")).Body + (await Get("/page.js")).Body;
        Assert.IsFalse(all.Contains("//", StringComparison.Ordinal) && all.Contains("http", StringComparison.OrdinalIgnoreCase), "no address of another site");
        StringAssert.Contains(policy, "default-src 'none'");
        foreach (var id in System.Text.RegularExpressions.Regex.Matches(all, """element\("([\w-]+)"\)""").Select(m => m.Groups[1].Value).Distinct())
            StringAssert.Contains(html, $"id=\"{id}\"", "what the script looks for is on the page");

        async Task<(string Body, string ContentType, string Policy)> Get(string address)
        {
            using var response = await host.Client.GetAsync(new Uri(address, UriKind.Relative));
            response.EnsureSuccessStatusCode();
            return (await response.Content.ReadAsStringAsync(), response.Content.Headers.ContentType!.MediaType!, response.Headers.GetValues("Content-Security-Policy").Single());
        }
    }

    [TestMethod]
    [DataRow("poll", "soon")]
    [DataRow("concurrency", "0")]
    [DataRow("queue", "-1")]
    [DataRow("rate", "-1")]
    [DataRow("models:a", "")]
    [DataRow("model", "")]
    public void OptionsThatCannotBeUsedAreNamed(string option, string value)
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() => Microsoft.ML.LoraInit.Samples.Web.WebSample.Create([$"--{option}", value]));
        StringAssert.Contains(error.Message, $"--{option}");
    }
}
