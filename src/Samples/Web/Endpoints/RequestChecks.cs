using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;

namespace Microsoft.ML.LoraInit.Samples.Web.Endpoints;

/// <summary>What holds for every request, before its body is read.</summary>
internal static class RequestChecks
{
    public static Task Run(HttpContext context, RequestDelegate next)
    {
        context.Response.Headers.XContentTypeOptions = "nosniff";
        if (MediaTypeHeaderValue.TryParse(context.Request.ContentType, out var type) && type.Charset.HasValue && type.Encoding is null)
            return Refuse(StatusCodes.Status415UnsupportedMediaType);
        if (context.Request.ContentLength > WebSample.MaxRequestBytes)
        {
            // Without a limit the server reads on for some seconds after the answer. With one it closes the connection while the client
            // still sends, which then sees no answer.
            if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
                limit.MaxRequestBodySize = null;
            return Refuse(StatusCodes.Status413PayloadTooLarge);
        }
        return next(context);

        Task Refuse(int status)
        {
            context.Response.StatusCode = status;
            return Task.CompletedTask;
        }
    }
}
