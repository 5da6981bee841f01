namespace Microsoft.ML.LoraInit.Tests.Hosts;

/// <summary>The page as a person with a browser meets it, wide and narrow.</summary>
[TestClass]
[DoNotParallelize]
public class WebPageTests
{
    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    [DataRow(1400)]
    [DataRow(390)]
    public async Task AQuestionIsAnsweredExplainedAndAskedOfAnotherModel(int width)
    {
        if (Browser.Program is null)
            Assert.Inconclusive("There is no chromium, chromium-browser or google-chrome on the PATH.");
        using var folder = new TemporaryFolder();
        SavedModel.First.MoveTo(folder.File("a.mlnet"));
        SavedModel.Second.MoveTo(folder.File("b.mlnet"));
        await using var host = await WebHost.StartWith("--models:first", folder.File("a.mlnet"), "--models:second", folder.File("b.mlnet"));
        await host.WaitFor(h => h.Status == "Healthy");
        await using var browser = await Browser.Open(host.Client.BaseAddress!, width, 1000);

        await browser.WaitFor("document.getElementById('model').dataset.status === 'Healthy'");
        await browser.Evaluate($"text.value = '{SavedModel.Texts[0]}'; form.requestSubmit()");
        await browser.WaitFor("!document.getElementById('result').hidden");
        var first = (string?)await browser.Evaluate("document.getElementById('answer').textContent");
        Assert.AreEqual(3, (int)(await browser.Evaluate("document.querySelectorAll('#bars li').length"))!);
        await browser.Evaluate("document.getElementById('explain').click()");
        await browser.WaitFor("document.querySelectorAll('#words .word').length > 0");
        Assert.AreEqual(SavedModel.Texts[0], (string?)await browser.Evaluate("document.getElementById('words').textContent"), "the text as it is, coloured");
        Assert.IsTrue((bool)(await browser.Evaluate("[...document.querySelectorAll('#words .word')].some(w => getComputedStyle(w).backgroundColor !== 'rgba(0, 0, 0, 0)')"))!);
        await Shows(browser, width, "explained");

        await browser.Evaluate("(c => { c.value = 'second'; c.dispatchEvent(new Event('change')); form.requestSubmit(); })(document.getElementById('model-name'))");
        await browser.WaitFor($"!document.getElementById('result').hidden && document.getElementById('answer').textContent !== '{first}'");
        Assert.IsTrue((bool)(await browser.Evaluate("document.getElementById('why').hidden"))!, "the explanation was of the other model");
    }

    [TestMethod]
    public async Task WithoutAModelThePageSaysWhy()
    {
        if (Browser.Program is null)
            Assert.Inconclusive("There is no chromium, chromium-browser or google-chrome on the PATH.");
        using var folder = new TemporaryFolder();
        await using var host = await WebHost.Start(folder.File("model.mlnet"));
        await using var browser = await Browser.Open(host.Client.BaseAddress!, 390, 1000);
        await browser.WaitFor("document.getElementById('model-text').textContent.includes('There is no file model.mlnet')");
        await browser.Evaluate("text.value = 'Where?'; form.requestSubmit()");
        await browser.WaitFor("!document.getElementById('problem').hidden");
        StringAssert.Contains((string?)await browser.Evaluate("document.getElementById('problem').textContent"), "There is no file model.mlnet");
        await Shows(browser, 390, "without a model");
    }

    private async Task Shows(Browser browser, int width, string name)
    {
        Assert.IsTrue((int)(await browser.Evaluate("document.documentElement.scrollWidth"))! <= width, "nothing is wider than the page");
        var path = Path.Combine(TestContext.TestRunDirectory ?? Path.GetTempPath(), $"page {name} {width}.png");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await browser.Screenshot(path);
        TestContext.AddResultFile(path);
        Assert.IsTrue(new FileInfo(path).Length > 10_000, path);
    }
}
