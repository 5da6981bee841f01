using System.Globalization;
using System.Net.Http.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.ML.LoraInit.Samples.Web;
using Microsoft.ML.LoraInit.Samples.Web.Endpoints;

namespace Microsoft.ML.LoraInit.Tests.Hosts;

/// <summary>The web sample, served by this process on a port of the system's choice.</summary>
internal sealed class WebHost : IAsyncDisposable
{
    private readonly WebApplication _app;

    private WebHost(WebApplication app)
    {
        _app = app;
        Client = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
    }

    public HttpClient Client { get; }

    public static Task<WebHost> Start(string modelPath, params string[] more) => StartWith(["--model", modelPath, .. more]);

    /// <summary>With the models that the options name.</summary>
    public static async Task<WebHost> StartWith(params string[] options)
    {
        var app = WebSample.Create(["--urls", "http://127.0.0.1:0", "--poll", "0.05", .. options]);
        await app.StartAsync();
        return new(app);
    }

    public async Task<PredictEndpoint.Prediction> Predict(string text)
    {
        using var response = await Client.PostAsJsonAsync("/predict", new { text });
        response.EnsureSuccessStatusCode();
        return (await response.Content.ReadFromJsonAsync<PredictEndpoint.Prediction>())!;
    }

    public Task<HealthEndpoint.Health> Health() => Health(Client);

    public static async Task<HealthEndpoint.Health> Health(HttpClient client)
    {
        using var response = await client.GetAsync(new Uri("/health", UriKind.Relative));
        var health = (await response.Content.ReadFromJsonAsync<HealthEndpoint.Health>())!;
        Assert.AreEqual(health.Status == "Unhealthy" ? 503 : 200, (int)response.StatusCode, "the status code says the same");
        return health;
    }

    public Task<HealthEndpoint.Health> WaitFor(Func<HealthEndpoint.Health, bool> condition) => WaitFor(Client, condition);

    public static async Task<HealthEndpoint.Health> WaitFor(HttpClient client, Func<HealthEndpoint.Health, bool> condition, int seconds = 120)
    {
        var end = DateTime.UtcNow.AddSeconds(seconds);
        for (; ; )
        {
            var health = await Health(client);
            if (condition(health))
                return health;
            Assert.IsTrue(DateTime.UtcNow < end, string.Create(CultureInfo.InvariantCulture, $"After {seconds} s the service still says: {health}"));
            await Task.Delay(20);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
